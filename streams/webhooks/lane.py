"""What one party is owed, decided without I/O: order, memory, waits, and when to stop.

A party is owed a line as long as what it was last told of it differs from how the line stands. Of
each line at most one message is on its way, so they arrive in order; of several lines a few are.
Before a message is sent it is noted that its line is *in doubt*: until there is an answer nobody
knows what the party has, so the line is owed whatever it says by then.

An answer that refuses a message for good is an answer: the party is there, and only that message is
let be. So many refused messages delay the others a little, and never for long.

Memory: a digest for each line that the party knows, and the record of each that it is owed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b
from itertools import chain, islice
from typing import NamedTuple

from streams.backoff import backoff_seconds
from streams.webhooks.registration import Registration

GRANTED_MAX = 32
"""Messages of a party that may be in doubt at once."""
IN_FLIGHT_MAX = 4
"""Messages to a party that may be on their way at once."""
REFUSED_PAUSE_S = 3_600.0
"""How long a message that the party refused for good is let be."""
IN_DOUBT = b""
DIGEST_BYTES = 8


class Pauses(NamedTuple):
    """The waits after failures, in seconds, of which the least is also that after a refusal."""

    least_s: float
    most_s: float


class Owed(NamedTuple):
    """One message: the line's id for the party, the line, the record or None where it is gone.

    `message_id` is the same for each attempt and different for all else; `since_s` is when it was
    first owed that something of the line be told.
    """

    line: bytes
    line_id: str
    message_id: str
    value: bytes | None
    since_s: float


class Lane:
    """The books of one party. Times are seconds of one monotonic clock; `chance` in [0, 1) is where
    jitter comes from. Not safe for threads.

    A line that is owed is in exactly one place: granted, ready, to be tried again after those that
    are ready, since its last message was refused, or let be until later.
    """

    def __init__(self, registration: Registration, told: dict[bytes, bytes], pauses: Pauses):
        self.registration = registration
        self.told = told
        self.is_suspended = False
        self.failures = 0
        self._pauses = pauses
        self._owed: dict[bytes, Owed] = {}
        self._ready: OrderedDict[bytes, None] = OrderedDict()
        self._again: OrderedDict[bytes, None] = OrderedDict()
        self._later: dict[bytes, float] = {}
        self._refused: set[bytes] = set()
        self._granted: set[bytes] = set()
        self._paused_until_s = 0.0

    def want(self, owed: Owed) -> None:
        """The line stands so now; it is owed unless that is what the party was last told."""
        before = self._owed.get(owed.line)
        told = self.told.get(owed.line)
        if told == (None if owed.value is None else digest(owed.value)):
            # What the party has is how it stands; what was owed between is not told any more.
            self._owed.pop(owed.line, None)
            self._queue(owed.line).pop(owed.line, None)
            return
        if before is not None:
            owed = owed._replace(since_s=before.since_s)
        self._owed[owed.line] = owed
        if owed.line not in self._granted:
            # Another message than the one that was refused: it waits for no hour.
            self._later.pop(owed.line, None)
            self._queue(owed.line).setdefault(owed.line)

    def _queue(self, line: bytes) -> OrderedDict[bytes, None]:
        return self._again if line in self._refused else self._ready

    def grant(self, now_s: float) -> list[Owed]:
        """Messages to send now, in the order in which they came to be owed, those of lines that
        were refused last. Their lines are in doubt from here on; whoever sends them writes that
        down first."""
        while self._later:
            line, due_s = next(iter(self._later.items()))
            if due_s > now_s:
                break
            del self._later[line]
            self._again.setdefault(line)
        if self.is_paused(now_s):
            return []
        free = (1 if self.failures else GRANTED_MAX) - len(self._granted)
        lines = list(islice(chain(self._ready, self._again), max(0, free)))
        for line in lines:
            del self._queue(line)[line]
            self._granted.add(line)
            self.told[line] = IN_DOUBT
        return [self._owed[line] for line in lines]

    def is_paused(self, now_s: float) -> bool:
        """Whether what was granted is not to be sent any more for now."""
        return self.is_suspended or now_s < self._paused_until_s

    def delivered(self, sent: Owed, now_s: float) -> None:
        """The party has it. A pause that runs goes on: another message was answered otherwise."""
        self._answered(now_s)
        self._granted.discard(sent.line)
        self._refused.discard(sent.line)
        if sent.value is None:
            self.told.pop(sent.line, None)
        else:
            self.told[sent.line] = digest(sent.value)
        now = self._owed.pop(sent.line)
        if now.message_id != sent.message_id:
            self.want(now)

    def put_back(self, sent: Owed) -> None:
        """It was not sent, or nobody knows: it is owed as before."""
        self._granted.discard(sent.line)
        queue = self._queue(sent.line)
        queue[sent.line] = None
        queue.move_to_end(sent.line, last=False)

    def failed(self, sent: Owed, now_s: float, chance: float, asked_s: float | None) -> None:
        """It may work later: the party is let be for a while, at least as long as it asks."""
        self.put_back(sent)
        self.failures += 1
        wait_s = backoff_seconds(self.failures, self._pauses.least_s, self._pauses.most_s, chance)
        self._pause(now_s + max(wait_s, asked_s or 0.0))

    def refused(self, sent: Owed, now_s: float) -> None:
        """The party will not have this message: it is let be for long, the others go on after the
        least pause, so that an address that takes nothing is not asked without end."""
        self._answered(now_s)
        self._granted.discard(sent.line)
        self._refused.add(sent.line)
        if self._owed[sent.line].message_id == sent.message_id:
            self._later[sent.line] = now_s + REFUSED_PAUSE_S
        else:
            self._again.setdefault(sent.line)
        self._pause(now_s + self._pauses.least_s)

    def _answered(self, now_s: float) -> None:
        if not self.is_paused(now_s):
            self.failures = 0

    def _pause(self, until_s: float) -> None:
        self._paused_until_s = max(self._paused_until_s, until_s)

    def renew(self, registration: Registration) -> None:
        """It was registered anew: whatever held it up counts no more."""
        self.registration = registration
        self.is_suspended = False
        self.failures = 0
        self._paused_until_s = 0.0
        self._later.clear()
        self._again.clear()
        self._refused.clear()
        for line in self._owed:
            if line not in self._granted:
                self._ready.setdefault(line)

    @property
    def owed_count(self) -> int:
        """Lines of which the party is owed something."""
        return len(self._owed)

    def oldest_s(self) -> float | None:
        """Since when the line that has waited longest is owed; None where none is."""
        return min((each.since_s for each in self._owed.values()), default=None)

    def owed(self) -> Iterator[Owed]:
        """All that is owed."""
        return iter(self._owed.values())


def digest(value: bytes) -> bytes:
    """What is kept of a record that the party has."""
    return blake2b(value, digest_size=DIGEST_BYTES).digest()


def message_id(registration: str, line: bytes, place: str) -> str:
    """The id of a message; `place` names the record in the log that it came from, so that the same
    content told a second time, after another one, has an id of its own."""
    data = b"\0".join((registration.encode(), line, place.encode()))
    return "msg_" + blake2b(data, digest_size=16).hexdigest()
