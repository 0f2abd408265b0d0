"""The shadow report: what would have been told, to whom, and how good the feeds are.

`Gathering` folds the records, in any order: `notifications` says what was withheld; the facts say
how late each source tells and how long it is silent; `unlinked` and `dead-letters` say what of it
stands for no line, or could not be used. `read_report` reads them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from schemas.codec import FactDecoder, Unsound
from schemas.facts import Fact, Family, Heartbeat, InventoryFact
from schemas.records import DeadLetter, Notification, R, Severity, Unlinked, decode
from schemas.references import NumberTarget, references
from schemas.units import UtcMillis, millis
from streams.engine.log import Entry, Log, LogError, Partition, foreign_record
from streams.engine.lookups import read_schemas
from streams.published import read_published
from streams.ranges import read_whole
from topology import network as networks
from topology.model import Feed

FACTS_AT_ONCE = 20_000

NOTIFICATIONS_LISTED_MAX = 50


class Lateness(msgspec.Struct, frozen=True):
    """How long after it happened a source tells of it, in seconds; below 0 it tells of it before.

    Nearest-rank quantiles over the facts of the source.
    """

    p50_seconds: float
    p95_seconds: float
    max_seconds: float


class Withheld(msgspec.Struct, frozen=True):
    """How many notifications of one kind a recipient would have had, on which sinks."""

    recipient: str
    sinks: tuple[str, ...]
    event: str
    severity: Severity
    count: int


class SourceReport(msgspec.Struct, frozen=True):
    """How good one feed is.

    `linked_percent` is of its facts that are about something other than itself: those that do not
    wait for a number to stand for a line; None where there are none. `rhythm_seconds` is the
    longest silence that the network allows it, None where it declares none or tells by the day;
    `gaps` are the longer ones. `refused` counts its dead letters by reason.
    """

    source: str
    facts: int
    linked_percent: float | None
    waiting: int
    lateness: Lateness | None
    rhythm_seconds: float | None
    gaps: int | None
    longest_silence_seconds: float | None
    refused: dict[str, int]


class ShadowReport(msgspec.Struct, frozen=True):
    """The whole report. `latest` are the newest notifications of those withheld; `withheld` and
    `sources` ascend."""

    notifications: int
    withheld: tuple[Withheld, ...]
    latest: tuple[Notification, ...]
    sources: tuple[SourceReport, ...]


@dataclass
class _Heard:
    """What was heard of one source."""

    facts: int = 0
    about: int = 0
    waiting: int = 0
    lateness_ms: array[int] = field(default_factory=lambda: array("q"))
    told_at: array[int] = field(default_factory=lambda: array("q"))
    refused: Counter[str] = field(default_factory=Counter)


class Gathering:
    """Takes records, and makes the report of those told at or after `since`.

    Holds 16 bytes a fact. `waiting` are the numbers that stand for no line (`waiting_numbers`).
    """

    def __init__(
        self, feeds: Mapping[str, Feed], waiting: Collection[str], since: UtcMillis | None
    ) -> None:
        self._feeds = feeds
        self._waiting = waiting
        self._since = since
        self._sources: dict[str, _Heard] = {}
        self._withheld: Counter[tuple[str, tuple[str, ...], str, Severity]] = Counter()
        self._latest: list[Notification] = []

    def facts(self, facts: Iterable[Fact]) -> None:
        """Facts, in any order."""
        for fact in facts:
            if self._is_before(fact.recorded_at):
                continue
            heard = self._heard(fact.source)
            heard.facts += 1
            heard.told_at.append(fact.recorded_at)
            if isinstance(fact, Heartbeat):
                continue
            heard.about += 1
            heard.lateness_ms.append(fact.recorded_at - fact.occurred_at)
            if isinstance(fact, InventoryFact):
                continue  # it names its stock node, and waits for nothing
            subject = references(fact).subject
            if isinstance(subject, NumberTarget) and subject.number in self._waiting:
                heard.waiting += 1

    def letter(self, letter: DeadLetter) -> None:
        """A dead letter; marks of those that were sent again do not count."""
        if letter.retried_at is None and not self._is_before(millis(letter.at)):
            self._heard(letter.source or "").refused[letter.reason] += 1

    def notification(self, told: Notification) -> None:
        """A notification; only those made in shadow mode count."""
        if not told.shadow or self._is_before(millis(told.at)):
            return
        self._withheld[told.recipient, told.withheld_sinks, told.event, told.severity] += 1
        self._latest.append(told)
        if len(self._latest) > 2 * NOTIFICATIONS_LISTED_MAX:
            self._latest = _newest(self._latest)

    def report(self) -> ShadowReport:
        """The report of everything taken so far."""
        return ShadowReport(
            notifications=self._withheld.total(),
            withheld=tuple(
                Withheld(*what, count)
                for what, count in sorted(self._withheld.items(), key=lambda each: each[0])
            ),
            latest=tuple(_newest(self._latest)),
            sources=tuple(
                _source(name, heard, self._feeds.get(name))
                for name, heard in sorted(self._sources.items())
            ),
        )

    def _is_before(self, at: UtcMillis) -> bool:
        return self._since is not None and at < self._since

    def _heard(self, source: str) -> _Heard:
        return self._sources.setdefault(source, _Heard())


def waiting_numbers(latest: Iterable[Unlinked | None]) -> frozenset[str]:
    """The numbers that stand for no line, from the last record of each key; None is a tombstone."""
    return frozenset(each.number for each in latest if each is not None)


def _newest(told: Sequence[Notification]) -> list[Notification]:
    by_age = sorted(told, key=lambda each: (-each.tick, each.recipient, each.notification_id))
    return by_age[:NOTIFICATIONS_LISTED_MAX]


def _source(name: str, heard: _Heard, feed: Feed | None) -> SourceReport:
    silences_ms = [after - before for before, after in pairwise(sorted(heard.told_at))]
    rhythm_ms = None
    if feed is not None and feed.every_ms is not None:
        rhythm_ms = feed.every_ms + feed.grace_ms
    return SourceReport(
        source=name,
        facts=heard.facts,
        linked_percent=(
            round(100 * (heard.about - heard.waiting) / heard.about, 2) if heard.about else None
        ),
        waiting=heard.waiting,
        lateness=_lateness(sorted(heard.lateness_ms)),
        rhythm_seconds=None if rhythm_ms is None else rhythm_ms / 1000,
        gaps=None if rhythm_ms is None else sum(each > rhythm_ms for each in silences_ms),
        longest_silence_seconds=max(silences_ms) / 1000 if silences_ms else None,
        refused=dict(sorted(heard.refused.items())),
    )


def _lateness(ascending_ms: Sequence[int]) -> Lateness | None:
    if not ascending_ms:
        return None
    return Lateness(
        _rank(ascending_ms, 50) / 1000, _rank(ascending_ms, 95) / 1000, ascending_ms[-1] / 1000
    )


def _rank(ascending: Sequence[int], percent: int) -> int:
    """The nearest-rank quantile: the least value that so many per cent do not exceed."""
    return ascending[max(0, -(-len(ascending) * percent // 100) - 1)]


def read_report(log: Log, since: UtcMillis | None) -> ShadowReport:
    """The report of everything on the log, told at or after `since`. Raises LogError when the log
    does not answer or holds what is not ours."""
    published = [each.data for each in read_published(log, "networks")]
    feeds = networks.decode(published[-1]).feeds if published else {}
    unlinked: dict[bytes | None, Unlinked | None] = {}
    for where, record in _records(log, "unlinked"):
        unlinked[record.key()] = _record(where, record, Unlinked)
    gathering = Gathering(feeds, waiting_numbers(unlinked.values()), since)
    for where, record in _records(log, "notifications"):
        if (told := _record(where, record, Notification)) is not None:
            gathering.notification(told)
    for where, record in _records(log, "dead-letters"):
        if (letter := _record(where, record, DeadLetter)) is not None:
            gathering.letter(letter)
    decoder = FactDecoder(registry=read_schemas(log))
    for family in Family:
        for values in _batches(log, family.value):
            decoded = decoder.decode_sound(family, values)
            gathering.facts(fact for fact in decoded if not isinstance(fact, Unsound))
    return gathering.report()


def _records(log: Log, topic: str) -> Iterator[tuple[Partition, Entry]]:
    count = log.partition_counts([topic])[topic]
    if count == 0:
        raise LogError(f"there is no topic {topic}", "Run: slipwatch topics create")
    for number in range(count):
        where = Partition(topic, number)
        for record in read_whole(log, where):
            yield where, record


def _batches(log: Log, topic: str) -> Iterator[list[bytes | None]]:
    values: list[bytes | None] = []
    for _, record in _records(log, topic):
        values.append(record.value())
        if len(values) >= FACTS_AT_ONCE:
            yield values
            values = []
    if values:
        yield values


def _record(where: Partition, record: Entry, kind: type[R]) -> R | None:
    """The record of that kind; None of a tombstone."""
    value = record.value()
    if value is None:
        return None
    try:
        return decode(value, kind)
    except msgspec.DecodeError as error:
        raise foreign_record(where, record.offset(), error) from error
