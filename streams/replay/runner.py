"""Tells recorded facts to the local engine again, in the order in which they were told."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from time import perf_counter

import msgspec

from alerts.policy import DEFAULT, Policy
from schemas.facts import Fact
from schemas.records import Alert
from schemas.units import DAY_MS, UtcMillis, iso
from streams.engine.local import LocalEngine
from streams.replay.evaluation import Note
from streams.replay.figures import InputCounts, InputFigures, MoneyFigures, count_kinds, sum_money
from streams.replay.inputs import InputRow
from streams.replay.outcome import LateAgainst, Outcome, Timing, by_rule
from topology.network import EMPTY, Network
from topology.problems import Problem

OUTPUT_TOPICS = (
    "order-status",
    "stock-status",
    "feeds",
    "alerts",
    "decisions",
    "notifications",
    "unlinked",
    "dead-letters",
    "parked",
)
"""What anyone may read of a replay, and what its digest is made of."""

ROWS_PER_REPORT = 1_000


class Phase(enum.StrEnum):
    """What a replay is doing."""

    READING = "reading"
    TELLING = "telling"


@dataclass(frozen=True)
class Progress:
    """How far a replay is: rows read of an unknown total, or facts told of `total`, up to `at`."""

    phase: Phase
    done: int
    total: int | None = None
    at: UtcMillis | None = None


@dataclass(frozen=True)
class ReplayOptions:
    """How to replay. One partition is the fastest, and their number changes nothing that is said.

    Ticks are multiples of `step_ms` in UTC, from the first fact to the last one
    plus `settle_days`, or to `until` (whose facts of a later `recorded_at` are not told)."""

    network: Network = EMPTY
    policy: Policy = DEFAULT
    step_ms: int = DAY_MS
    settle_days: int = 30
    until: UtcMillis | None = None
    partitions: int = 1


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a replay. `rows` = `rows_with_facts` + `looked_up` + `rejected`; `facts` =
    `told` + `not_told`; `lines` = `late` + `early` + `on_time` + `undated` + `ended` + `open`. The
    nodes of `stock_by_standing` add up to `stock_nodes`, the facts of `facts_by_kind` to `told`.

    `by_input` has the inputs of a mapping that names them. `money` sums what was told of payments.
    `late_against` holds deliveries against each of the three dates that a line may have.
    `alerts` counts episodes, of which one may rest on several rules; `subjects_by_rule` the lines
    (or sources) that a rule ever fired for. `digest` is the SHA-256 of
    everything that was written to the output topics; `seconds` is the only figure that differs
    between two replays of the same facts.
    """

    rows: int
    rows_with_facts: int
    looked_up: int
    rejected: int
    by_input: dict[str, InputFigures]
    notes: int
    facts: int
    told: int
    not_told: int
    facts_by_kind: dict[str, int]
    money: tuple[MoneyFigures, ...]
    dead_letters: int
    lines: int
    late: int
    early: int
    on_time: int
    undated: int
    ended: int
    open: int
    orders: int
    late_against: dict[str, LateAgainst]
    stock_nodes: int
    stock_by_standing: dict[str, int]
    stock_outs: int
    alerts: int
    alerts_by_rule: dict[str, int]
    subjects_by_rule: dict[str, int]
    ticks: int
    from_at: str | None
    to_at: str | None
    digest: str
    seconds: float
    facts_per_second: int


@dataclass(frozen=True)
class RowNote:
    """A note on a row that became facts all the same."""

    file: str
    line: int
    row_id: str
    note: Note


@dataclass(frozen=True)
class ReplayResult:
    """What came of a replay: figures, alerts in the order of opening, and the report on rows."""

    summary: Summary
    alerts: tuple[Alert, ...]
    problems: tuple[Problem, ...]
    notes: tuple[RowNote, ...]


class ReplayLimits(msgspec.Struct, frozen=True):
    """How much a replay takes on; beyond it refuses with ReplayTooLarge."""

    facts_max: int = 20_000_000
    ticks_max: int = 1_000_000


class ReplayTooLarge(ValueError):
    """The facts, or the time from the first to the last, are more than a replay takes on."""


LIMITS = ReplayLimits()


def run_replay(
    rows: Iterable[InputRow],
    options: ReplayOptions,
    on_progress: Callable[[Progress], None] | None = None,
    limits: ReplayLimits = LIMITS,
) -> ReplayResult:
    """Replays the facts of the rows through a local engine of its own.

    All facts are held in memory, about a kilobyte each with what the engine keeps of them. The
    same rows and options give the same result, but for the time it took. Raises ReplayTooLarge,
    and whatever reading the rows raises.
    """
    report = on_progress or _ignore
    started = perf_counter()
    read = _Read()
    for row in rows:
        read.take(row)
        if len(read.facts) > limits.facts_max:
            raise ReplayTooLarge(f"more than {limits.facts_max} facts")
        if read.all.rows % ROWS_PER_REPORT == 0:
            report(Progress(Phase.READING, read.all.rows))
    report(Progress(Phase.READING, read.all.rows, read.all.rows))
    facts = sorted(read.facts, key=_told_order)
    run = _Run(options)
    run.tell(facts, report, limits.ticks_max)
    alerts = run.outcome.alerts()
    seconds = perf_counter() - started
    return ReplayResult(
        _summary(read, run, alerts, facts, seconds),
        alerts,
        tuple(read.problems),
        tuple(read.notes),
    )


def _ignore(progress: Progress) -> None:
    """Nobody watches."""


def _told_order(fact: Fact) -> tuple[UtcMillis, UtcMillis, str, str]:
    """Facts in the order in which they were told, and in one order where that is the same."""
    return fact.recorded_at, fact.occurred_at, fact.source, fact.event_id


class _Read:
    """What was read of the rows."""

    def __init__(self) -> None:
        self.all = InputCounts()
        self.by_input: dict[str, InputCounts] = {}
        self.facts: list[Fact] = []
        self.problems: list[Problem] = []
        self.notes: list[RowNote] = []

    def take(self, row: InputRow) -> None:
        self.all.take(row)
        if row.input:
            self.by_input.setdefault(row.input, InputCounts()).take(row)
        self.facts += row.facts
        self.problems += row.problems
        self.notes += (RowNote(row.file, row.line, row.row_id, note) for note in row.notes)


class _Run:
    """One engine, and what it wrote."""

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self._digest = sha256()
        self.outcome = Outcome(options.network)
        self.ticks: list[UtcMillis] = []
        self.told = 0

    @property
    def digest(self) -> str:
        """Of everything written so far."""
        return self._digest.hexdigest()

    def tell(self, facts: list[Fact], report: Callable[[Progress], None], ticks_max: int) -> None:
        """All facts up to the end, a tick after each step of time."""
        if not facts:
            return
        options = self._options
        ends_at = options.until
        if ends_at is None:
            ends_at = facts[-1].recorded_at + options.settle_days * DAY_MS
        if (ends_at - facts[0].recorded_at) // options.step_ms > ticks_max:
            first, last = iso(facts[0].recorded_at), iso(ends_at)
            raise ReplayTooLarge(
                f"from {first} to {last} there are more than {ticks_max} ticks: take a longer step"
            )
        engine = LocalEngine(options.network, options.policy, partitions=options.partitions)
        for at in _ticks(facts[0].recorded_at, ends_at, options.step_ms):
            while self.told < len(facts) and facts[self.told].recorded_at < at:
                if facts[self.told].recorded_at > ends_at:
                    break
                engine.send(facts[self.told])
                self.told += 1
            engine.tick(at)
            self._collect(engine)
            self.ticks.append(at)
            report(Progress(Phase.TELLING, self.told, len(facts), at))
        engine.close()

    def _collect(self, engine: LocalEngine) -> None:
        for output in engine.new_outputs("lines"):
            self.outcome.take("lines", output.key, output.value)
        for topic in OUTPUT_TOPICS:
            for output in engine.new_outputs(topic):
                self.outcome.take(topic, output.key, output.value)
                for part in (topic.encode(), output.key or b"", output.value or b""):
                    self._digest.update(len(part).to_bytes(8, "big") + part)


def _ticks(first_at: UtcMillis, ends_at: UtcMillis, step_ms: int) -> Iterator[UtcMillis]:
    """The multiples of the step after the first fact, up to the first that is past the end."""
    at = first_at // step_ms * step_ms
    while at <= ends_at:
        at += step_ms
        yield at


def _summary(
    read: _Read, run: _Run, alerts: tuple[Alert, ...], facts: list[Fact], seconds: float
) -> Summary:
    met, stock, told = run.outcome.met(), run.outcome.stock(), facts[: run.told]
    timings = met.timings
    return Summary(
        rows=read.all.rows,
        rows_with_facts=read.all.rows - read.all.looked_up - read.all.rejected,
        looked_up=read.all.looked_up,
        rejected=read.all.rejected,
        by_input={name: counts.figures() for name, counts in read.by_input.items()},
        notes=len(read.notes),
        facts=len(facts),
        told=run.told,
        not_told=len(facts) - run.told,
        facts_by_kind=count_kinds(told),
        money=sum_money(told),
        dead_letters=run.outcome.dead_letters,
        lines=timings.total(),
        late=timings[Timing.LATE],
        early=timings[Timing.EARLY],
        on_time=timings[Timing.ON_TIME],
        undated=timings[Timing.UNDATED],
        ended=timings[Timing.ENDED],
        open=timings[Timing.OPEN],
        orders=met.orders,
        late_against=met.late_against,
        stock_nodes=stock.total(),
        stock_by_standing={standing.value: stock[standing] for standing in sorted(stock)},
        stock_outs=run.outcome.stock_outs,
        alerts=len(alerts),
        alerts_by_rule=by_rule(alerts),
        subjects_by_rule=run.outcome.subjects_by_rule(),
        ticks=len(run.ticks),
        from_at=iso(run.ticks[0]) if run.ticks else None,
        to_at=iso(run.ticks[-1]) if run.ticks else None,
        digest=run.digest,
        seconds=round(seconds, 3),
        facts_per_second=round(run.told / seconds),
    )
