"""What the sender reads from the log and writes to it: which parties, what is owed, what was told.

Every call that blocks is made on one thread at a time, and raises LogError when the log does not
answer. Only one sender of an installation has books: a new one shuts out the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from schemas.partner_records import split_partner_key
from schemas.units import UtcMillis
from streams.engine.log import Entry, Log, LogError, Partition, foreign_record
from streams.engine.recorded import read_committed
from streams.engine.relay import ID_KEY, RELAY_STATE, partner_line
from streams.stages.partners import PARTNER_STATUS
from streams.webhooks.addresses import AddressRefused, check_url
from streams.webhooks.keys import KeyRefused, WebhookKey
from streams.webhooks.lane import Lane, Owed, Pauses, digest, message_id
from streams.webhooks.receipts import (
    DELIVERING,
    FORMAT,
    RECEIPTS,
    SUSPENDED,
    Standing,
    Told,
    read_receipt,
    standing_record,
    told_record,
)
from streams.webhooks.registration import (
    WEBHOOKS,
    Registration,
    read_registration,
    registrations,
)

RECORDS_MAX = 10_000
READ_AHEAD_MAX = 5_000


class Books:
    """What parties with a webhook are owed, from the moment the books are opened.

    Until it has read `partner-status` to where that ended at first, nothing is owed. `load_key` is
    called if there is a party at all. `now` is the wall clock, for what is told of an address.
    """

    def __init__(
        self,
        log: Log,
        group: str,
        load_key: Callable[[], WebhookKey],
        pauses: Pauses,
        now: Callable[[], UtcMillis],
    ) -> None:
        self._log = log
        self._pauses = pauses
        self._now = now
        self.lanes: dict[str, Lane] = {}
        self.key: WebhookKey | None = None
        self.is_level = False
        self._id_key = b""
        self._life = ""
        self._seen: dict[str, set[bytes]] = {}
        self._removals: dict[tuple[str, bytes], str] = {}
        self._standings: dict[str, Standing] = {}
        self._pending: list[tuple[bytes, bytes | None]] = []
        self._producer = log.transactional_producer(f"{group}-webhooks")
        self._reader = log.reader()
        try:
            self._open(load_key)
        except (LogError, KeyRefused):
            self.close()
            raise

    def _open(self, load_key: Callable[[], WebhookKey]) -> None:
        watched = [WEBHOOKS, RELAY_STATE]
        ends = self._log.end_offsets(watched)
        starts = {where: end.stable for where, end in ends.items()}
        found = registrations(self._log)
        for _, record in read_committed(self._log, [RELAY_STATE]):
            if record.key() == ID_KEY:
                self._id_key = record.value() or b""
        if found:
            self.key = load_key()
        for registration in found.values():
            self._check_key(registration)
            self.lanes[registration.party] = Lane(registration, {}, self._pauses)
            self._seen[registration.party] = set()
        self._read_receipts()
        for lane in self.lanes.values():
            self._check_address(lane)
        self._ends: Mapping[Partition, int] = {}
        if found and self._id_key:
            count = self._log.partition_counts([PARTNER_STATUS])[PARTNER_STATUS]
            statuses = [Partition(PARTNER_STATUS, number) for number in range(count)]
            self._ends = {p: end.stable for p, end in self._log.end_offsets(statuses).items()}
            starts |= self._log.begin_offsets(statuses)
        self._reader.assign(starts)

    def _check_key(self, registration: Registration) -> None:
        if self.key is None or not self.key.has_made(registration):
            raise LogError(
                f"the webhook of {registration.party} was registered with another webhook key",
                "Give the workers the file of that key (partners.webhook_key_file), or remove the "
                "webhook and add it anew.",
            )

    def _check_address(self, lane: Lane) -> None:
        """Sends nothing where the command would not have registered it, whoever wrote it."""
        try:
            check_url(lane.registration.url)
        except AddressRefused as error:
            lane.is_suspended = True
            self.stands(lane, SUSPENDED, str(error))

    def _read_receipts(self) -> None:
        self._life = str(self._log.end_offsets([RECEIPTS])[RECEIPTS].high)
        stale: dict[bytes, None] = {}
        for _, record in read_committed(self._log, [RECEIPTS]):
            party, line, said = read_receipt(record)
            lane = self.lanes.get(party)
            key = record.key() or b""
            is_ours = lane is not None and (
                said is not None and said.registration == lane.registration.registration
            )
            stale.pop(key, None)
            if lane is not None:
                lane.told.pop(line, None)
                self._removals.pop((party, line), None)
            if lane is not None and is_ours and isinstance(said, Told):
                lane.told[line] = said.digest
                if said.removal:
                    self._removals[party, line] = said.removal
            elif is_ours and isinstance(said, Standing):
                self._standings[party] = said
            elif said is not None:
                stale[key] = None
        for party, standing in self._standings.items():
            lane = self.lanes[party]
            if standing.revision == lane.registration.revision:
                lane.is_suspended = standing.state == SUSPENDED
        self._pending += [(key, None) for key in stale]

    def read(self, timeout_s: float) -> Mapping[Partition, Sequence[Entry]]:
        """What came since."""
        return self._reader.read(READ_AHEAD_MAX, timeout_s)

    def take(self, read: Mapping[Partition, Sequence[Entry]], now_s: float) -> bool:
        """Takes up what came; False where these books are no good any more, and new ones must be
        opened: a party came or went, or lines got other ids."""
        for where, records in read.items():
            for record in records:
                if where == WEBHOOKS:
                    if not self._take_registration(record):
                        return False
                elif where == RELAY_STATE:
                    if record.key() == ID_KEY and record.value() != self._id_key:
                        return False
                else:
                    self._take_status(where, record, now_s)
        if not self.is_level:
            stand = self._reader.positions()
            if all(stand.get(p, 0) >= end for p, end in self._ends.items()):
                self._level(now_s)
        return True

    def _take_registration(self, record: Entry) -> bool:
        party, found = read_registration(record)
        lane = self.lanes.get(party)
        if lane is None or found is None:
            return lane is None and found is None
        if found.registration != lane.registration.registration:
            return False
        if found != lane.registration:
            self._check_key(found)
            lane.renew(found)
            self._check_address(lane)
        return True

    def _take_status(self, where: Partition, record: Entry, now_s: float) -> None:
        try:
            party, line_id = split_partner_key((record.key() or b"").decode())
        except UnicodeDecodeError as error:
            raise foreign_record(where, record.offset(), error) from error
        lane = self.lanes.get(party)
        if lane is None:
            return
        line = partner_line(self._id_key, party, line_id)
        place = f"{where.number}:{record.offset()}"
        if not self.is_level:
            self._seen[party].add(line)
        identity = message_id(lane.registration.registration, line, place)
        lane.want(Owed(line, line_id, identity, record.value(), now_s))

    def _level(self, now_s: float) -> None:
        """What a party was told of and nothing is said of any more: it is to learn that, under the
        id under which it may have been told so already."""
        for party, lane in self.lanes.items() if self._id_key else ():
            for line in [each for each in lane.told if each not in self._seen[party]]:
                place = f"gone:{self._life}"
                made = message_id(lane.registration.registration, line, place)
                identity = self._removals.get((party, line), made)
                lane.want(Owed(line, "", identity, None, now_s))
        self._seen = {}
        self._removals = {}
        self.is_level = True

    def due(self, now_s: float) -> list[tuple[Lane, Owed]]:
        """What to send now; `write` comes before it is sent."""
        if not self.is_level:
            return []
        granted = [(lane, owed) for lane in self.lanes.values() for owed in lane.grant(now_s)]
        for lane, owed in granted:
            removal = owed.message_id if owed.value is None else ""
            self._note(lane, owed.line, lane.told[owed.line], removal)
        return granted

    def delivered(self, lane: Lane, owed: Owed, now_s: float) -> None:
        """The party has it; `write` says so."""
        lane.delivered(owed, now_s)
        self._note(lane, owed.line, None if owed.value is None else digest(owed.value))

    def _note(self, lane: Lane, line: bytes, told: bytes | None, removal: str = "") -> None:
        key, value = told_record(
            lane.registration.party, line, lane.registration.registration, told or b"", removal
        )
        self._pending.append((key, None if told is None else value))

    def stands(self, lane: Lane, state: str, says: str) -> None:
        """How the address answers now; noted where that is news."""
        at = self._now()
        registration = lane.registration
        before = self._standings.get(registration.party)
        is_new = before is None or before.revision != registration.revision
        if is_new and state == DELIVERING and before is None:
            return
        if not is_new and before is not None and before.state == state:
            if state == DELIVERING or before.says == says:
                return
            at = before.at
        standing = Standing(
            FORMAT, registration.registration, registration.revision, state, says, at
        )
        self._standings[registration.party] = standing
        self._pending.append(standing_record(registration.party, standing))

    def state_of(self, party: str) -> str:
        """How the party's address answered last: delivering where nothing else is known."""
        standing = self._standings.get(party)
        if standing is None or standing.revision != self.lanes[party].registration.revision:
            return DELIVERING
        return standing.state

    def write(self) -> None:
        """Writes down what was noted; what is granted may be sent after that."""
        while self._pending:
            part = self._pending[:RECORDS_MAX]
            self._producer.begin()
            for key, value in part:
                self._producer.produce(*RECEIPTS, key, value)
            self._producer.commit()
            del self._pending[: len(part)]

    def close(self) -> None:
        """Lets go; what is open is aborted by the next sender or by its timeout."""
        self._reader.close()
        self._producer.close()
