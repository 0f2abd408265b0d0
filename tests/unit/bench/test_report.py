"""What is said of measurements follows from every repetition of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import plot, report
from bench.__main__ import main, parse
from bench.aims import AIMS, Aim, Outcome, outcomes
from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.registry import BENCHMARKS


def nothing(run: Run) -> list[Figure]:
    return []


def test_a_ratio_compares_repetition_by_repetition() -> None:
    floor = Figure("floor", "µs/fact", (2.0, 4.0, 40.0))
    ours = Figure("ours", "µs/fact", (6.0, 12.0, 120.0), "floor")
    assert ours.ratio_to(floor) == 3.0
    assert (ours.least, ours.median, ours.most) == (6.0, 12.0, 120.0)


def test_a_tally_keeps_every_repetition_in_order() -> None:
    tally = Tally()
    for value in (3.0, 1.0, 2.0):
        tally.add("ours", "s", value)
        tally.add("floor", "s", value / 10)
    first, second = tally.figures()
    assert (first.name, first.values) == ("ours", (3.0, 1.0, 2.0))
    assert second.median == pytest.approx(0.2)


def test_the_table_shows_median_spread_and_ratio() -> None:
    floor = Figure("bare loop", "µs/fact", (2.0, 3.0, 2.5))
    ours = Figure("six stages", "µs/fact", (20.0, 30.0, 25.0), "bare loop")
    text = report.table(Benchmark("x", "what it measures", nothing), [floor, ours])
    line = next(line for line in text.splitlines() if "six stages" in line)
    assert " ".join(line.split()) == "six stages 25.0 µs/fact 20.0 to 30.0 10.00 x bare loop"


def test_the_json_holds_every_value(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    report.write(path, {"x": [Figure("a", "s", (1.0, 2.0))]}, short=True)
    told = json.loads(path.read_text())
    assert told["short"] is True
    assert told["benchmarks"]["x"][0]["values"] == [1.0, 2.0]
    assert told["machine"]["cores"] >= 1


def test_names_are_told_apart() -> None:
    names = [benchmark.name for benchmark in BENCHMARKS]
    assert len(set(names)) == len(names)
    assert parse(["--short", names[-1]]).names == [names[-1]]


def test_an_unknown_name_ends_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["nonsense"])
    assert ended.value.code == 2
    assert BENCHMARKS[0].name in capsys.readouterr().err


def test_one_benchmark_runs_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.json"
    assert main(["codec", "--short", "--json", str(path)]) == 0
    figures = json.loads(path.read_text())["benchmarks"]["codec"]
    names = {figure["name"] for figure in figures}
    assert all(figure["values"][0] > 0 for figure in figures)
    assert all(figure["beside"] in names for figure in figures if figure["beside"])
    assert "orders: decode" in capsys.readouterr().out


def test_an_aim_is_met_or_missed_by_so_much() -> None:
    aim = Aim("x", "ours beside theirs", "theirs", "ours", at_least=1.5)
    assert Outcome(aim, 1.5).is_met
    missed = Outcome(aim, 0.5)
    assert not missed.is_met
    assert missed.missed_by == 3.0
    late = Outcome(Aim("x", "late", "late", at_most=200), 300)
    assert not late.is_met
    assert late.missed_by == 1.5


def test_aims_are_held_against_what_was_measured_only() -> None:
    results = {
        "slipjoin": [
            Figure("slipwatch: CPU", "µs/fact", (10.0, 12.0)),
            Figure("Kafka Streams, cold JVM: CPU", "µs/fact", (20.0, 18.0)),
        ]
    }
    (found,) = outcomes(results)
    assert found.aim.beside == "slipwatch: CPU"
    assert found.value == 1.75
    assert found.is_met


def test_the_page_tells_aims_and_every_figure() -> None:
    benchmark = Benchmark("pipeline", "all of it", nothing)
    figures = [Figure("six stages: rate", "facts/s", (10_000.0, 20_000.0, 30_000.0))]
    page = report.markdown([benchmark], {"pipeline": figures}, short=False)
    assert "| at least 40,000 facts/s | 20,000 facts/s | **missed** by 2.00 x |" in page
    assert "| six stages: rate | 20,000 facts/s | 10,000 to 30,000 |  |" in page
    short = report.markdown([benchmark], {"pipeline": figures}, short=True)
    assert "missed" not in short


def test_every_aim_is_of_a_benchmark() -> None:
    names = {benchmark.name for benchmark in BENCHMARKS}
    assert {aim.benchmark for aim in AIMS} <= names
    assert all((aim.at_least is None) != (aim.at_most is None) for aim in AIMS)


def test_the_plot_has_a_bar_for_each_figure_that_has_company() -> None:
    benchmark = Benchmark("x", "", nothing)
    floor = Figure("a < b", "s", (1.0, 2.0, 3.0))
    ours = Figure("ours", "s", (2.0, 4.0, 6.0), "a < b")
    alone = Figure("alone", "MiB", (1.0,))
    drawn = ET.fromstring(plot.picture([benchmark], {"x": [floor, ours, alone]}))
    bars = [each for each in drawn.iter() if each.get("class") in {"bar", "beside"}]
    widths = [float(each.get("width", "0")) for each in bars]
    assert len(bars) == 2
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    texts = [each.text for each in drawn.iter() if each.tag.endswith("text")]
    assert "a < b" in texts
    assert "4.00 · 2.00 x" in texts
