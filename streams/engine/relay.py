"""The relay: `partner-status` in one topic a party, each of which that party alone may read.

One worker relays, the one that is the ticker. Its producer has a fixed id, so that a new relay
shuts out the old one. What it has relayed is what lies on the partners' topics: when it begins it
reads these, then `partner-status`, and where something differs reads that a second time and writes
it. So nothing is lost or said twice whatever happened, and a topic that is new or was emptied is
filled. After that it goes on with what comes. An aborted transaction is a new beginning.

A line's key on a party's topic is its id for that party: a keyed hash, so that nobody can find out
by trying which order of whom it is. The key of the hash is made once and lies in `relay-state`.

Memory: an id and a digest for each line of each subscribed party, twice while it begins, and
`RECORDS_MAX` records; never more of what is said of the lines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

from schemas.partner_records import split_partner_key
from schemas.topics import partner_topic
from streams.engine.lives import Backoff
from streams.engine.log import (
    Entry,
    Log,
    LogError,
    Partition,
    Reader,
    TransactionalProducer,
    foreign_record,
)
from streams.engine.recorded import read_committed
from streams.stages.partners import PARTNER_STATUS

RELAY_STATE = Partition("relay-state", 0)
ID_KEY = b"id-key"
ID_KEY_BYTES = 32
PARTY_MARK = b"party:"
OFFSET_MARK = b"offset:"
RECORDS_MAX = 10_000
POLL_S = 0.1
BEHIND_PERIOD_S = 5.0
"""How often the log is asked how far behind the relay is."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """`group` is the engine's, of which the relay's id is made."""

    group: str
    poll_s: float = POLL_S


RELAY_STATES = ("idle", "reading", "running", "waiting", "stopped")


class RelayStatus(NamedTuple):
    """What the relay of this worker does: `idle` where another worker relays.

    `parties` have a topic, `lines` records stand on these, `behind` records were not passed on when
    the log was last asked, `relayed` is how many were written since the start.
    """

    state: str
    parties: int
    lines: int
    behind: int
    relayed: int
    trouble: str


class RelayObserver(Protocol):
    """Who hears of what the relay does. Called on the relay's thread."""

    def relayed(self, records: int) -> None: ...
    def relay_trouble(self, text: str) -> None: ...


class Subscriptions(Protocol):
    """Who knows the network in force; `streams.engine.control.Control` does."""

    @property
    def subscribed(self) -> frozenset[str] | None:
        """The parties that have a topic; None until a network is known."""
        ...


Told = dict[bytes, bytes]
"""By the id of a line: a digest of what stands on a party's topic."""
_Key = tuple[str, bytes]
"""A party, and the id of a line for it."""
_Change = tuple[_Key, bytes | None]


class Relay:
    """Runs until stopped, and relays while `is_chosen` says so.

    `make_topic` makes a compacted topic of one partition unless it is there; `make_key` gives
    `ID_KEY_BYTES` that nobody can guess.
    """

    def __init__(
        self,
        log: Log,
        settings: RelaySettings,
        subscriptions: Subscriptions,
        is_chosen: Callable[[], bool],
        make_topic: Callable[[str], None],
        make_key: Callable[[], bytes],
        observer: RelayObserver,
    ) -> None:
        self._log = log
        self._settings = settings
        self._subscriptions = subscriptions
        self._is_chosen = is_chosen
        self._make_topic = make_topic
        self._make_key = make_key
        self._observer = observer
        self._passing: _Passing | None = None
        self._state = "idle"
        self._trouble = ""
        self._relayed = self._behind = 0
        self._asked_s = 0.0

    def run(self, stop: threading.Event) -> None:
        """Relays until `stop` is set. No fault of the log ends it: it lets go of everything, waits,
        and begins anew."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                if self.step(self._settings.poll_s):
                    backoff.reset()
                elif self._passing is None:
                    stop.wait(self._settings.poll_s)
            except LogError as error:
                self._drop()
                self._tell(error)
                stop.wait(backoff.next_s())
        self.close()

    def close(self) -> None:
        """Lets go of everything; what was committed stays."""
        self._drop()
        self._state = "stopped"

    def _drop(self) -> None:
        self._behind = 0
        if self._passing is not None:
            passing, self._passing = self._passing, None
            passing.close()

    def _tell(self, fault: LogError) -> None:
        self._state = "waiting"
        if fault.what != self._trouble:
            self._observer.relay_trouble(str(fault))
        self._trouble = fault.what

    def step(self, timeout_s: float) -> bool:
        """One turn; says whether anything was relayed."""
        if not self._is_chosen():
            self._drop()
            self._state = "idle"
            return False
        subscribed = self._subscriptions.subscribed
        if subscribed is None:
            return False
        if self._passing is None:
            self._passing = _Passing(
                self._log, f"{self._settings.group}-relay", self._make_topic, self._make_key
            )
        passing = self._passing
        written = passing.step(subscribed, timeout_s)
        self._state = "running" if passing.is_level else "reading"
        self._trouble = ""
        self._relayed += written
        if written:
            self._observer.relayed(written)
        if time.monotonic() - self._asked_s > BEHIND_PERIOD_S:
            self._behind = passing.behind()
            self._asked_s = time.monotonic()
        return bool(written)

    def status(self) -> RelayStatus:
        """What it is doing; safe to call from any thread."""
        passing = self._passing
        told = list(passing.told.values()) if passing is not None else []
        return RelayStatus(
            state=self._state,
            parties=len(told),
            lines=sum(map(len, told)),
            behind=self._behind,
            relayed=self._relayed,
            trouble=self._trouble,
        )


class _Passing:
    """The relay while it is this worker's: what stands on each party's topic, and what is to be.

    Of what happened since the last relay a partner is told the end and no more. So it first reads
    `partner-status` to where that ends and notes a digest of what each line's last record says;
    then, unless all of that stands already, it reads it again and passes on those records alone.
    """

    def __init__(
        self,
        log: Log,
        transactional_id: str,
        make_topic: Callable[[str], None],
        make_key: Callable[[], bytes],
    ) -> None:
        self._log = log
        self._make_topic = make_topic
        self.told: dict[str, Told] = {}
        self._producer: TransactionalProducer = log.transactional_producer(transactional_id)
        self._reader: Reader = log.reader()
        self._id_key = b""
        self._latest: dict[_Key, bytes] = {}
        """While it begins: by line a digest of its last record; once compared, of what differs."""
        self._noted_to: dict[Partition, int] | None = None
        """How far it noted before it compared; from there on every record is passed on."""
        self.is_level = False
        try:
            self._begin(make_key)
        except LogError:
            self.close()
            raise

    def _begin(self, make_key: Callable[[], bytes]) -> None:
        known: list[str] = []
        for _, record in read_committed(self._log, [RELAY_STATE]):
            key, value = record.key() or b"", record.value()
            party = key.removeprefix(PARTY_MARK).decode()
            if key == ID_KEY:
                self._id_key = value or b""
            elif key.startswith(PARTY_MARK) and value is not None:
                known.append(party)
            elif key.startswith(PARTY_MARK) and party in known:
                known.remove(party)
        if not self._id_key:
            self._id_key = make_key()
            self._producer.begin()
            self._producer.produce(*RELAY_STATE, ID_KEY, self._id_key)
            self._producer.commit()
        for party in known:
            self._open_topic(party)
        count = self._log.partition_counts([PARTNER_STATUS])[PARTNER_STATUS]
        self._partitions = [Partition(PARTNER_STATUS, number) for number in range(count)]
        self._ends = {p: end.stable for p, end in self._log.end_offsets(self._partitions).items()}
        self._reader.assign(self._log.begin_offsets(self._partitions))

    def _open_topic(self, party: str) -> None:
        """Makes the party's topic unless it is there, and reads what stands on it."""
        topic = partner_topic(party)
        self._make_topic(topic)
        told: Told = {}
        for _, record in read_committed(self._log, [Partition(topic, 0)]):
            key, value = record.key() or b"", record.value()
            if value is None:
                told.pop(key, None)
            else:
                told[key] = _digest(value)
        self.told[party] = told

    def step(self, subscribed: frozenset[str], timeout_s: float) -> int:
        """Passes on what came; how many records were written to partners. Raises LogError."""
        read = self._reader.read(RECORDS_MAX, timeout_s)
        changes: dict[_Key, bytes | None] = {}
        for where, records in read.items():
            for record in records:
                self._take(where, record, changes)
        if self._noted_to is None:
            if self._is_before(self._ends):
                return 0
            told_of = {party for party, _ in self._latest}
        else:
            told_of = {party for (party, _), value in changes.items() if value is not None}
        made = sorted((told_of | subscribed) - self.told.keys())
        for party in made:
            self._open_topic(party)
        if self._noted_to is None:
            changes = self._compare()
        elif not self.is_level and not self._is_before(self._noted_to):
            self._latest, self.is_level = {}, True
        news = {key: value for key, value in changes.items() if self._is_news(*key, value)}
        over = [
            party
            for party, told in self.told.items()
            if not told and party not in subscribed and party not in told_of
        ]
        if news or made or over:
            self._write(list(news.items()), made, over)
        return len(news)

    def _take(self, where: Partition, record: Entry, changes: dict[_Key, bytes | None]) -> None:
        try:
            party, line_id = split_partner_key((record.key() or b"").decode())
        except UnicodeDecodeError as error:
            raise foreign_record(where, record.offset(), error) from error
        if not line_id:
            raise foreign_record(where, record.offset(), ValueError("its key names no line"))
        key, value = (party, self._id(party, line_id)), record.value()
        if self._noted_to is not None:
            is_new = record.offset() >= self._noted_to.get(where, 0)
            if is_new or (value is not None and self._latest.get(key) == _digest(value)):
                changes[key] = value
        elif value is None:
            self._latest.pop(key, None)
        else:
            self._latest[key] = _digest(value)

    def _is_before(self, ends: Mapping[Partition, int]) -> bool:
        stand = self._reader.positions()
        return any(stand.get(p, 0) < end for p, end in ends.items())

    def _id(self, party: str, line_id: str) -> bytes:
        return partner_line(self._id_key, party, line_id)

    def _compare(self) -> dict[_Key, bytes | None]:
        """What stands and is to be gone; what is to stand otherwise is read again."""
        gone: dict[_Key, bytes | None] = {
            (party, line): None
            for party, told in self.told.items()
            for line in told
            if (party, line) not in self._latest
        }
        self._noted_to = dict(self._reader.positions())
        self._latest = {
            (party, line): digest
            for (party, line), digest in self._latest.items()
            if self.told[party].get(line) != digest
        }
        self.is_level = not self._latest
        if not self.is_level:
            used, self._reader = self._reader, self._log.reader()
            used.close()
            self._reader.assign(self._log.begin_offsets(self._partitions))
        return gone

    def _is_news(self, party: str, key: bytes, value: bytes | None) -> bool:
        before = self.told.get(party, {}).get(key)
        return before is not None if value is None else before != _digest(value)

    def _write(self, news: Sequence[_Change], made: Sequence[str], over: Sequence[str]) -> None:
        """In transactions of bounded size; the last one says how far everything is passed on."""
        producer = self._producer
        for start in range(0, max(1, len(news)), RECORDS_MAX):
            part = news[start : start + RECORDS_MAX]
            producer.begin()
            for (party, key), value in part:
                producer.produce(partner_topic(party), 0, key, value)
            if start + RECORDS_MAX >= len(news):
                self._write_state(made, over)
            producer.commit()
            for (party, key), value in part:
                if value is None:
                    del self.told[party][key]
                else:
                    self.told[party][key] = _digest(value)
        for party in over:
            del self.told[party]

    def _write_state(self, made: Sequence[str], over: Sequence[str]) -> None:
        produce = self._producer.produce
        for party in made:
            produce(*RELAY_STATE, PARTY_MARK + party.encode(), b"1")
        for party in over:
            produce(*RELAY_STATE, PARTY_MARK + party.encode(), None)
        for partition, offset in self._reader.positions().items():
            key = OFFSET_MARK + str(partition.number).encode()
            produce(*RELAY_STATE, key, str(offset).encode())

    def behind(self) -> int:
        """Offsets of `partner-status` that were not taken in yet."""
        stand = self._reader.positions()
        ends = self._log.end_offsets(self._partitions)
        return sum(max(0, end.stable - stand.get(p, 0)) for p, end in ends.items())

    def close(self) -> None:
        """Lets go; what is open is aborted by the next relay or by its timeout."""
        self._reader.close()
        self._producer.close()


def partner_line(id_key: bytes, party: str, line_id: str) -> bytes:
    """The id of the line for the party: 32 hexadecimal digits that mean nothing to it."""
    data = f"{party}@{line_id}".encode()
    return blake2b(data, digest_size=16, key=id_key).hexdigest().encode()


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=8).digest()
