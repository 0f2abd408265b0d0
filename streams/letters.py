"""Dead letters brought back: which of them are open, and their records sent again, each once.

A letter is open until topic `dead-letters` holds a mark for it: the same letter with `retried_at`.
The record and the mark of its letter are written in one transaction, under one transactional id,
and the topic is read only once that id is ours: what an earlier retry committed is then known, and
what it left half done is gone, however it ended. So each letter's record is sent once. A fact that
was refused for several lines has as many letters; it is sent once by a retry, and where two retries
send it, its event id makes the second a duplicate.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import msgspec

from schemas import limits
from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact, unpack
from schemas.records import DeadLetter, decode, encode
from schemas.topics import FACT_TOPICS
from streams.engine.log import (
    Log,
    LogError,
    Partition,
    TransactionAborted,
    TransactionalProducer,
    foreign_record,
)
from streams.ranges import read_range
from streams.stages.links import REFUSED_FACT
from streams.stages.rows import partition_of

DEAD_LETTERS = "dead-letters"
TRANSACTIONAL_ID = "slipwatch-dead-letters"
LETTERS_PER_TRANSACTION_MAX = 100


def is_mark(value: bytes | None) -> bool:
    """Whether a record of `dead-letters` marks a letter as sent again."""
    try:
        return value is not None and decode(value, DeadLetter).retried_at is not None
    except msgspec.DecodeError:
        return False


class Unsendable(msgspec.Struct, frozen=True):
    """A letter whose record cannot be sent again, and why."""

    id: str
    why: str


class Retried(msgspec.Struct, frozen=True):
    """What became of the letters that were asked for: ids in the order of the topic.

    `skipped` were named and had been sent again before; `unknown` are no letters.
    """

    sent: tuple[str, ...]
    skipped: tuple[str, ...]
    unsendable: tuple[Unsendable, ...]
    unknown: tuple[str, ...]


class _Life(NamedTuple):
    """One refusal. A record that is refused again at a later tick is another one."""

    letter_id: str
    tick: int


class _Original(NamedTuple):
    """The record to send again."""

    where: Partition
    key: bytes | None
    value: bytes


class _CannotSend(Exception):
    """Why not."""


def retry_named(log: Log, ids: Collection[str], at: dt.datetime) -> Retried:
    """Send the records of these letters again; of none if one of them is unknown. Raises LogError
    when the log does not answer or another retry took over; what was sent is marked then too."""
    return _retry(log, lambda letter: letter.id in ids, frozenset(ids), at)


def retry_all(log: Log, source: str | None, reason: str | None, at: dt.datetime) -> Retried:
    """Send the records of all open letters again, or of those of the source, refused for the
    reason. Errors as `retry_named`."""

    def wanted(letter: DeadLetter) -> bool:
        return source in (None, letter.source) and reason in (None, letter.reason)

    return _retry(log, wanted, frozenset(), at)


def _retry(
    log: Log, wanted: Callable[[DeadLetter], bool], named: frozenset[str], at: dt.datetime
) -> Retried:
    counts = log.partition_counts([DEAD_LETTERS, *FACT_TOPICS])
    if not counts[DEAD_LETTERS]:
        raise LogError(f"there is no topic {DEAD_LETTERS}", "Run: slipwatch topics create")
    producer = log.transactional_producer(TRANSACTIONAL_ID)
    try:
        partitions = [Partition(DEAD_LETTERS, n) for n in range(counts[DEAD_LETTERS])]
        ends = {where: end.high for where, end in log.end_offsets(partitions).items()}
        latest, marked = _survey(log, ends, wanted)
        unknown = tuple(sorted(named - latest.keys()))
        if unknown:
            return Retried((), (), (), unknown)
        skipped = tuple(
            letter_id
            for letter_id, tick in latest.items()
            if letter_id in named and _Life(letter_id, tick) in marked
        )
        due = {_Life(*each) for each in latest.items()} - marked
        resending = _Resending(log, producer, counts, at)
        for where, letter in _letters(log, ends):
            life = _Life(letter.id, letter.tick)
            if life in due and letter.retried_at is None:
                due.discard(life)
                resending.take(where, letter)
        resending.commit()
        return Retried(tuple(resending.sent), skipped, tuple(resending.unsendable), ())
    except TransactionAborted:
        producer.abort()
        raise
    finally:
        producer.close()


def _survey(
    log: Log, ends: dict[Partition, int], wanted: Callable[[DeadLetter], bool]
) -> tuple[dict[str, int], set[_Life]]:
    """The wanted letters with the tick at which each was last refused, and what is marked."""
    latest: dict[str, int] = {}
    marked: set[_Life] = set()
    for _, letter in _letters(log, ends):
        if letter.retried_at is not None:
            marked.add(_Life(letter.id, letter.tick))
        elif wanted(letter):
            latest[letter.id] = max(latest.get(letter.id, 0), letter.tick)
    return latest, marked


def _letters(log: Log, ends: dict[Partition, int]) -> Iterator[tuple[Partition, DeadLetter]]:
    """Every letter and mark up to the ends; waits for transactions that were open."""
    for where, begin in log.begin_offsets(list(ends)).items():
        for record in read_range(log, where, begin, ends[where]):
            value = record.value()
            if value is None:
                continue
            try:
                yield where, decode(value, DeadLetter)
            except msgspec.DecodeError as error:
                raise foreign_record(where, record.offset(), error) from error


class _Resending:
    """Records and marks on their way, so many letters to a transaction."""

    def __init__(
        self, log: Log, producer: TransactionalProducer, counts: dict[str, int], at: dt.datetime
    ) -> None:
        self._log = log
        self._producer = producer
        self._counts = counts
        self._at = at
        self._open: list[str] = []
        self._facts: set[tuple[str | None, str | None, bytes]] = set()
        self.sent: list[str] = []
        self.unsendable: list[Unsendable] = []

    def take(self, where: Partition, letter: DeadLetter) -> None:
        """Send the letter's record and mark it where it lies, so that the mark comes after it."""
        try:
            original = self._original(letter)
        except _CannotSend as error:
            self.unsendable.append(Unsendable(letter.id, str(error)))
            return
        if not self._open:
            self._producer.begin()
        self._open.append(letter.id)
        fact = (letter.source, letter.event_id, letter.value)
        if letter.topic != REFUSED_FACT or fact not in self._facts:
            self._producer.produce(*original.where, original.key, original.value)
        if letter.topic == REFUSED_FACT:
            self._facts.add(fact)
        mark = msgspec.structs.replace(letter, retried_at=self._at)
        self._producer.produce(*where, letter.id.encode(), encode(mark))
        if len(self._open) >= LETTERS_PER_TRANSACTION_MAX:
            self.commit()

    def commit(self) -> None:
        """What is on its way is in the log."""
        if self._open:
            self._producer.commit()
            self.sent += self._open
            self._open = []

    def _original(self, letter: DeadLetter) -> _Original:
        if letter.topic == REFUSED_FACT:
            return self._fact(letter)
        if letter.topic not in self._counts or letter.topic == DEAD_LETTERS:
            raise _CannotSend("it is about a number that had no room, and holds no record")
        where = Partition(letter.topic, letter.partition)
        key = letter.key_bytes
        if letter.value_bytes is None and len(key or b"") < limits.LETTER_KEY_BYTES_MAX:
            return _Original(where, key, letter.value)
        begin = self._log.begin_offsets([where])[where]
        if begin <= letter.offset < self._log.end_offsets([where])[where].high:
            for record in read_range(self._log, where, letter.offset, letter.offset + 1):
                return _Original(where, record.key(), record.value() or b"")
        raise _CannotSend(
            f"it holds only the beginning, and the record itself is no longer on "
            f"{where.topic}/{where.number} at offset {letter.offset}"
        )

    def _fact(self, letter: DeadLetter) -> _Original:
        """A fact that intake had taken: written anew, under its event id."""
        try:
            fact = unpack(letter.value)
        except msgspec.DecodeError as error:
            raise _CannotSend(f"this release cannot read the fact in it: {error}") from error
        topic, key = fact_topic(fact), fact_key(fact)
        number = partition_of(key.decode(), self._counts[topic])
        return _Original(Partition(topic, number), key, encode_fact(fact))
