"""The sender: brings to each registered party what it is owed, while this worker is the one to.

One worker sends, the one that relays. At least once: a message is sent until its answer is written
down, with the same `webhook-id` each time. Whoever takes over begins with the books as they were
written, and tells the difference. Parties do not wait for each other: each has its own lane, its
own waits and its own few connections.

Whoever was replaced without noticing can grant nothing more, and still send what it granted. So a
message bears the time at which its line stood so, taken before the grant is written down: whoever
takes over does that after it, and all its messages bear a later time.

It runs in a thread of its own, with an event loop for the connections; what blocks on the log is
done in another thread meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol, TypeVar, assert_never

from alerts.sinks.webhook import Secret
from schemas.units import UtcMillis
from streams.engine.lives import Backoff
from streams.engine.log import Log, LogError
from streams.webhooks.answer_links import AnswerLinks
from streams.webhooks.books import Books
from streams.webhooks.keys import KeyRefused, WebhookKey
from streams.webhooks.lane import IN_FLIGHT_MAX, Lane, Owed, Pauses
from streams.webhooks.messages import body_of
from streams.webhooks.posting import Attempt, Outcome, Poster
from streams.webhooks.receipts import DELIVERING, FAILING, SUSPENDED
from streams.webhooks.registration import Registration

POLL_S = 0.1
COUNT_PERIOD_S = 1.0
GRANT_GOOD_MS = 15_000
"""How long what was granted may be sent. After that it is granted anew, which only the one that
still is the sender can do. Longer than a transaction takes, or nothing would ever be sent."""
LOOKUPS_MAX = 32
"""Names that may be looked up at once: a name server that is silent holds up its own party."""
SENDER_STATES = ("idle", "reading", "running", "waiting", "stopped")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """`group` is the engine's, of which the sender's id is made."""

    group: str
    pauses: Pauses
    poll_s: float = POLL_S


class Ports(NamedTuple):
    """What the sender is given: whether this worker is the one to send, the key, the way out, the
    wall clock, and links to the door, or None where parties are given none."""

    is_chosen: Callable[[], bool]
    load_key: Callable[[], WebhookKey]
    make_poster: Callable[[], Poster]
    now: Callable[[], UtcMillis]
    answer_links: AnswerLinks | None


class SenderStatus(NamedTuple):
    """What the sender of this worker does: `idle` where another worker sends.

    `owed` counts lines that parties wait to be told, without those of parties that are suspended;
    `oldest_s` is how long the one that waits longest has been known here.
    """

    state: str
    parties: int = 0
    failing: int = 0
    suspended: int = 0
    owed: int = 0
    oldest_s: float = 0.0
    trouble: str = ""


class SenderObserver(Protocol):
    """Who hears of what the sender does. Called on the sender's thread."""

    def attempted(self, attempt: Attempt) -> None: ...
    def sender_trouble(self, text: str) -> None: ...


class Sender:
    """Sends until stopped, while this worker is the one to."""

    def __init__(
        self, log: Log, settings: SenderSettings, ports: Ports, observer: SenderObserver
    ) -> None:
        self._log = log
        self._settings = settings
        self._ports = ports
        self._observer = observer
        self._books: Books | None = None
        self._poster: Poster | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._io = ThreadPoolExecutor(1, "webhook-log")
        self._state = "idle"
        self._trouble = ""
        self._counted_s = 0.0
        self._status = SenderStatus("idle")

    def run(self, stop: threading.Event) -> None:
        """Sends until `stop` is set. No fault of the log, of a key or of a party ends it."""
        loop = asyncio.new_event_loop()
        # Not the loop's own way to an end, which waits for names that are still looked up.
        loop.set_default_executor(ThreadPoolExecutor(LOOKUPS_MAX, "webhook-names"))
        try:
            loop.run_until_complete(self._run(stop))
        finally:
            loop.close()

    async def _run(self, stop: threading.Event) -> None:
        backoff = Backoff()
        try:
            while not stop.is_set():
                try:
                    await self.turn()
                    backoff.reset()
                except (LogError, KeyRefused, OSError) as error:
                    await self._drop()
                    self._tell(error)
                    await _until(stop, backoff.next_s())
        finally:
            await self.close()

    async def close(self) -> None:
        """Lets go of everything; what was written down stays."""
        await self._let_go()
        self._io.shutdown()
        self._state = "stopped"
        self._count()

    async def _let_go(self) -> None:
        """Drops everything in order: what was answered by now is written down, if it still can be,
        so that nobody sends it again."""
        await self._cut_off()
        if self._books is not None:
            with suppress(LogError):
                await self._blocking(self._books.write)
        await self._drop()

    async def _cut_off(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def _drop(self) -> None:
        await self._cut_off()
        self._slots.clear()
        if self._poster is not None:
            poster, self._poster = self._poster, None
            await poster.close()
        if self._books is not None:
            books, self._books = self._books, None
            await self._blocking(books.close)

    def _tell(self, fault: Exception) -> None:
        self._state = "waiting"
        if str(fault) != self._trouble:
            self._observer.sender_trouble(str(fault))
        self._trouble = str(fault)
        self._count()

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._io, work)

    async def turn(self) -> None:
        """Reads what came, writes down what became of what was sent, and sends what is due. Raises
        LogError, KeyRefused, or OSError for certificates that cannot be read."""
        if not self._ports.is_chosen():
            await self._let_go()
            self._state = "idle"
            self._count()
            await asyncio.sleep(self._settings.poll_s)
            return
        if self._books is None:
            open_books = partial(
                Books,
                self._log,
                self._settings.group,
                self._ports.load_key,
                self._settings.pauses,
                self._ports.now,
            )
            self._books = await self._blocking(open_books)
            self._poster = self._ports.make_poster()
        books = self._books
        read = await self._blocking(partial(books.read, self._settings.poll_s))
        self._check_tasks()
        if not books.take(read, time.monotonic()):
            await self._let_go()
            return
        due = books.due(time.monotonic())
        # Before it is written down: a successor can begin after that only, with a later time.
        stood_at = self._ports.now()
        await self._blocking(books.write)
        for lane, owed in due:
            self._tasks.add(asyncio.create_task(self._send(books, lane, owed, stood_at)))
        self._state = "running" if books.is_level else "reading"
        self._trouble = ""
        is_idle = not any(lane.owed_count for lane in books.lanes.values())
        if is_idle or time.monotonic() - self._counted_s >= COUNT_PERIOD_S:
            self._count()

    def _check_tasks(self) -> None:
        for task in [each for each in self._tasks if each.done()]:
            self._tasks.discard(task)
            task.result()

    async def _send(self, books: Books, lane: Lane, owed: Owed, stood_at: UtcMillis) -> None:
        registration = lane.registration
        slots = self._slots.setdefault(registration.party, asyncio.Semaphore(IN_FLIGHT_MAX))
        async with slots:
            now = self._ports.now()
            is_old = now - stood_at > GRANT_GOOD_MS
            if self._poster is None or is_old or lane.is_paused(time.monotonic()):
                lane.put_back(owed)
                return
            registration = lane.registration
            body = body_of(registration.party, owed, stood_at, now, self._ports.answer_links)
            attempt = await self._poster.post(
                registration.url, owed.message_id, body, self._secrets(books, registration)
            )
        self._observer.attempted(attempt)
        if registration.revision == lane.registration.revision:
            self._judge(books, lane, owed, attempt)
        else:
            # It was registered anew meanwhile: the old address says nothing of the new one.
            lane.put_back(owed)

    def _secrets(self, books: Books, registration: Registration) -> list[Secret]:
        key = books.key
        if key is None:
            raise LogError("a party has a webhook and there is no webhook key")
        return key.signing(registration, self._ports.now())

    def _judge(self, books: Books, lane: Lane, owed: Owed, attempt: Attempt) -> None:
        now_s = time.monotonic()
        was_suspended = lane.is_suspended
        match attempt.outcome:
            case Outcome.DELIVERED:
                books.delivered(lane, owed, now_s)
                state = DELIVERING
            case Outcome.FAILED:
                chance = random.random()  # noqa: S311 - spreads load, hides nothing
                lane.failed(owed, now_s, chance, attempt.asked_s)
                state = FAILING
            case Outcome.REFUSED:
                lane.refused(owed, now_s)
                state = FAILING
            case Outcome.GONE:
                lane.put_back(owed)
                lane.is_suspended = True
                state = SUSPENDED
            case _:
                assert_never(attempt.outcome)
        if not was_suspended:
            # What its neighbours on the way are answered lifts no suspension.
            books.stands(lane, state, attempt.says)

    def status(self) -> SenderStatus:
        """How it stood within the last second or so; safe to call from any thread."""
        return self._status

    def _count(self) -> None:
        self._counted_s = time.monotonic()
        books = self._books
        if books is None:
            self._status = SenderStatus(self._state, trouble=self._trouble)
            return
        active = [lane for lane in books.lanes.values() if not lane.is_suspended]
        since = [each for lane in active if (each := lane.oldest_s()) is not None]
        self._status = SenderStatus(
            state=self._state,
            parties=len(books.lanes),
            failing=sum(books.state_of(lane.registration.party) == FAILING for lane in active),
            suspended=len(books.lanes) - len(active),
            owed=sum(lane.owed_count for lane in active),
            oldest_s=self._counted_s - min(since) if since else 0.0,
            trouble=self._trouble,
        )


async def _until(stop: threading.Event, seconds: float) -> None:
    """Returns after so many seconds, or soon after `stop` is set."""
    end_s = time.monotonic() + seconds
    while not stop.is_set() and (left_s := end_s - time.monotonic()) > 0:  # noqa: ASYNC110 - a thread sets it
        await asyncio.sleep(min(POLL_S, left_s))
