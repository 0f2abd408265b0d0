"""`python -m bench`: runs benchmarks and prints what they measured."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import plan, plot, report, scale, soak
from bench.benchmark import BUILD_DIRECTORY, Benchmark, Figure, Run
from bench.ground import BenchFailed, Ground
from bench.registry import BENCHMARKS

PROGRAMS = {"plan": plan.main, "scale": scale.main, "soak": soak.main}
"""Runs of their own kind, with options of their own, that `make bench` does not make."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; ends the process with a message when they make no sense."""
    names = [benchmark.name for benchmark in BENCHMARKS]
    listed = "\n".join(f"  {each.name:10} {each.says}" for each in BENCHMARKS)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Slipwatch on this machine.",
        epilog=f"benchmarks:\n{listed}\n\nmemory over hours: python -m bench soak --help"
        "\nthe largest chain: python -m bench scale --help"
        "\nwhat a chain needs: python -m bench plan --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; all without a name")
    parser.add_argument("--short", action="store_true", help="tiny sizes: does everything work?")
    parser.add_argument("--repeat", type=int, metavar="N", help="repetitions [3; short: 1]")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write results there [.build/bench/results.json]"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in names]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(names)}")
    if options.repeat is not None and options.repeat < 1:
        parser.error("--repeat needs at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """Runs what was asked for; 1 when something is missing or one fails."""
    if arguments and (program := PROGRAMS.get(arguments[0])) is not None:
        return program(arguments[1:])
    options = parse(arguments)
    wanted = [each for each in BENCHMARKS if not options.names or each.name in options.names]
    missing = {each.name: lacks for each in wanted if (lacks := each.lacks())}
    if missing:
        for name, lacks in missing.items():
            sys.stderr.write(f"{name}: {lacks}\n")
        return 1
    BUILD_DIRECTORY.mkdir(parents=True, exist_ok=True)
    repeat = options.repeat or (1 if options.short else 3)
    failed: list[str] = []
    with (
        tempfile.TemporaryDirectory(dir=BUILD_DIRECTORY, prefix="run-") as folder,
        Ground(Path(folder)) as ground,
    ):
        run = Run(options.short, repeat, ground, Path(folder))
        for benchmark in wanted:
            try:
                run.results[benchmark.name] = _measure(run, benchmark)
                # Each time, so that a run that is ended early has told what it knew.
                _write(options, run.results)
            except BenchFailed as error:
                sys.stderr.write(f"{benchmark.name} failed: {error}\n")
                failed.append(benchmark.name)
    sys.stderr.write(f"written to {', '.join(map(str, _paths(options)))}\n")
    return 1 if failed else 0


def _write(options: argparse.Namespace, results: Mapping[str, Sequence[Figure]]) -> None:
    """The document, and beside it the table and the plot."""
    path, table, picture = _paths(options)
    report.write(path, results, short=options.short)
    table.write_text(report.markdown(BENCHMARKS, results, short=options.short))
    picture.write_text(plot.picture(BENCHMARKS, results))


def _paths(options: argparse.Namespace) -> tuple[Path, Path, Path]:
    path = options.json or BUILD_DIRECTORY / ("short.json" if options.short else "results.json")
    name = "short" if options.short else "table"
    return path, path.with_name(f"{name}.md"), path.with_name(f"{name}.svg")


def _measure(run: Run, benchmark: Benchmark) -> Sequence[Figure]:
    run.say(f"{benchmark.name}: {benchmark.says}")
    figures = benchmark.measure(run)
    print(report.table(benchmark, figures), end="\n\n", flush=True)
    return figures


if __name__ == "__main__":
    # A plain kill ends everything that was started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
