"""`slipwatch replay`: recorded facts through the local engine, in the order they were told."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from alerts.loading import load_policy
from alerts.policy import DEFAULT, Policy
from alerts.texts import counted
from schemas.codec import FactDecoder
from schemas.facts import Family
from schemas.parquet import parquet
from schemas.records import Alert
from schemas.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UtcMillis, iso, millis
from streams.cli.display import SEVERITY_STYLES, money, print_table, styled, words
from streams.cli.session import Refused, Session, json_option, pass_session, print_json
from streams.collection import collect_seldom
from streams.engine.log import Log, Partition
from streams.engine.lookups import read_schemas
from streams.exits import Exit
from streams.ranges import read_whole
from streams.replay.inputs import InputRow, json_rows, mapped_rows, record_rows
from streams.replay.mapping import Mapping
from streams.replay.mapping_file import MappingError, load_mapping
from streams.replay.runner import (
    Phase,
    Progress,
    ReplayOptions,
    ReplayResult,
    ReplayTooLarge,
    run_replay,
)
from streams.replay.tables import FileError
from topology.load import NetworkRefused, load
from topology.network import EMPTY, Network

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FILE_OR_FOLDER = click.Path(path_type=Path, exists=True)
JSON_ENDS = (".json", ".jsonl", ".ndjson")
MAPPED_ENDS = (".csv", ".sqlite", ".sqlite3", ".db")
ALERTS_SHOWN = 20
PROBLEMS_SHOWN = 20
STEP_UNITS_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


class Step(click.ParamType):
    """A time between ticks: 30s, 15m, 6h, 1d; in milliseconds."""

    name = "step"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The milliseconds."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no step; expected such as 15m, 6h or 1d", param, ctx)
        return int(found[1]) * STEP_UNITS_MS[found[2]]


@click.command()
@click.argument("files", nargs=-1, type=FILE_OR_FOLDER)
@click.option(
    "--mapping", "mapping_file", type=FILE, help="How rows of CSV or SQLite become facts."
)
@click.option("--from-kafka", is_flag=True, help="Replay the fact topics on the broker.")
@click.option(
    "--network",
    "network_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The network to judge by. [default: an empty one]",
)
@click.option("--policy", "policy_file", type=FILE, help="The policy. [default: all rules as is]")
@click.option("--step", type=Step(), default="1d", show_default=True, help="Time between ticks.")
@click.option(
    "--settle-days",
    type=click.IntRange(0, 3_650),
    default=30,
    show_default=True,
    help="How long to let time run on after the last fact.",
)
@click.option("--until", metavar="TIME", help="End here (RFC 3339); later facts are not told.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every alert to this file: Parquet if it ends in .parquet, else JSON lines.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every rejected row and every note to this file, as JSON lines.",
)
@json_option
@pass_session
def replay(session: Session, /, files: tuple[Path, ...], *, as_json: bool, **how: Any) -> None:
    """Tell recorded facts to the local engine again, and show what it would have alerted.

    FILES are JSON lines; with a mapping, CSV files and SQLite databases, or a folder that holds
    those that the mapping names. The same input gives the same alerts, byte for byte, and the same
    digest of them. With --json the summary goes to standard output; two runs differ in it by the
    time taken alone (seconds, facts_per_second). Rejected rows do not fail a replay.

    \b
    Examples:
      slipwatch replay facts.jsonl --network examples/networks/three-tier
      slipwatch replay deliveries.csv --mapping examples/scms/mapping.yaml --json
      slipwatch replay olist/ --mapping examples/olist/mapping.yaml --report rows.jsonl
      slipwatch replay --from-kafka --step 1h --output alerts.jsonl
    """
    if bool(files) == how["from_kafka"]:
        raise click.UsageError("name files, or say --from-kafka")
    options = ReplayOptions(
        network=_network(how["network_dir"]),
        policy=_policy(how["policy_file"]),
        step_ms=how["step"],
        settle_days=how["settle_days"],
        until=_until(how["until"]),
    )
    mapping = _mapping(how["mapping_file"])
    rows = _kafka_rows(session) if how["from_kafka"] else _file_rows(files, mapping)
    try:
        with _watched() as watch:
            collect_seldom()
            result = run_replay(rows, options, watch)
    except (FileError, ReplayTooLarge) as error:
        raise Refused(str(error), Exit.FINDINGS) from error
    if how["output"] is not None:
        _write(how["output"], _alerts_file(how["output"], result.alerts))
    if how["report"] is not None:
        _write(how["report"], (line + b"\n" for line in _report_lines(result)))
    if as_json:
        print_json(result.summary)
    else:
        _print(result)


def _network(folder: Path | None) -> Network:
    if folder is None:
        return EMPTY
    try:
        return load(folder)
    except NetworkRefused as error:
        raise Refused(str(error), Exit.FINDINGS) from error


def _policy(file: Path | None) -> Policy:
    if file is None:
        return DEFAULT
    result = load_policy(file)
    if result.policy is None:
        raise Refused("\n".join(str(error) for error in result.errors), Exit.FINDINGS)
    return result.policy


def _until(text: str | None) -> UtcMillis | None:
    if text is None:
        return None
    try:
        return millis(dt.datetime.fromisoformat(text))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from error


def _mapping(file: Path | None) -> Mapping | None:
    if file is None:
        return None
    try:
        return load_mapping(file)
    except MappingError as error:
        raise Refused(str(error), Exit.FINDINGS) from error


def _file_rows(files: tuple[Path, ...], mapping: Mapping | None) -> Iterator[InputRow]:
    mapped: list[Path] = []
    for file in files:
        end = file.suffix.lower()
        if mapping is not None and (file.is_dir() or end not in JSON_ENDS):
            mapped.append(file)
        elif file.is_dir():
            raise click.UsageError(f"{file} is a folder: say with --mapping which files to read")
        elif end in MAPPED_ENDS:
            what = "CSV" if end == ".csv" else "a database"
            raise click.UsageError(f"{file} is {what}: say with --mapping how it becomes facts")
        else:
            yield from json_rows(file)
    if mapping is not None and mapped:
        yield from mapped_rows(mapping, mapped)


def _kafka_rows(session: Session) -> Iterator[InputRow]:
    with session.log() as log:
        yield from record_rows(_fact_records(log), FactDecoder(registry=read_schemas(log)))


def _fact_records(log: Log) -> Iterator[tuple[str, int, bytes]]:
    for family in Family:
        count = log.partition_counts([family.value])[family.value]
        for number in range(count):
            for record in read_whole(log, Partition(family.value, number)):
                value = record.value()
                if value is not None:
                    yield family.value, number, value


@contextlib.contextmanager
def _watched() -> Iterator[Callable[[Progress], None]]:
    """A progress bar on standard error; nothing there when it is no terminal."""
    out = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[at]}"),
    )
    with Bar(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        tasks = {
            Phase.READING: bar.add_task("reading rows", total=None, at=""),
            Phase.TELLING: bar.add_task("telling facts", total=None, at=""),
        }

        def watch(progress: Progress) -> None:
            at = iso(progress.at) if progress.at is not None else ""
            bar.update(tasks[progress.phase], completed=progress.done, total=progress.total, at=at)

        yield watch


def _report_lines(result: ReplayResult) -> Iterator[bytes]:
    for problem in result.problems:
        yield msgspec.json.encode({"rejected": True} | dataclasses.asdict(problem))
    for note in result.notes:
        yield msgspec.json.encode({"rejected": False} | dataclasses.asdict(note))


def _alerts_file(file: Path, alerts: Sequence[Alert]) -> Iterator[bytes]:
    """The bytes of the file of alerts, in the format that its name says."""
    if file.suffix.lower() == ".parquet":
        yield parquet(alerts, Alert)
        return
    for alert in alerts:
        yield msgspec.json.encode(alert) + b"\n"


def _write(file: Path, parts: Iterator[bytes]) -> None:
    try:
        with file.open("wb") as out:
            for part in parts:
                out.write(part)
    except OSError as error:
        raise Refused(f"{file}: cannot be written: {error.strerror}", Exit.FINDINGS) from error


def _print(result: ReplayResult) -> None:
    shown = result.alerts[-ALERTS_SHOWN:]
    print_table(
        ("opened", "severity", "what", "days", "at risk", "state"),
        (_alert_row(alert) for alert in shown),
        title=f"Alerts: the last {len(shown)} of {len(result.alerts)}",
    )
    for problem in result.problems[:PROBLEMS_SHOWN]:
        click.echo(f"rejected: {problem}")
    left = len(result.problems) - PROBLEMS_SHOWN
    if left > 0:
        click.echo(f"and {counted(left, 'more problem')}; --report FILE lists all")
    for name, value in msgspec.structs.asdict(result.summary).items():
        label = words(name)
        for text in _figure_lines(value):
            click.echo(f"{label:<20}{text}")
            label = ""


def _figure_lines(value: object) -> Iterator[str]:
    """A figure of the summary as text, one line for each part that has figures of its own."""
    if isinstance(value, dict) and any(isinstance(each, msgspec.Struct) for each in value.values()):
        for key, each in value.items():
            figures = msgspec.structs.asdict(each).items()
            yield f"{key}: " + ", ".join(f"{words(name)} {figure}" for name, figure in figures)
    elif isinstance(value, dict):
        yield ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
    elif isinstance(value, tuple):
        for each in value:
            what = f"{each.kind} {each.method}" if each.method else each.kind
            amount = money([{"value_minor": each.value_minor, "currency": each.currency}])
            yield f"{what}: {counted(each.facts, 'fact')}, {amount}"
    else:
        yield str(value)


def _alert_row(alert: Alert) -> tuple[str, ...]:
    return (
        alert.opened_at.date().isoformat(),
        styled(alert.severity.value, SEVERITY_STYLES),
        escape(alert.title),
        "" if alert.days is None else str(alert.days),
        money([msgspec.structs.asdict(each) for each in alert.value_at_risk]),
        alert.state.value,
    )
