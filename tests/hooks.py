"""A sender of webhooks on a log in memory, driven by hand."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.units import UtcMillis, instant
from streams.engine.clock import WallClock
from streams.engine.local import LocalEngine
from streams.engine.log import Log
from streams.webhooks.answer_links import AnswerLinks
from streams.webhooks.keys import WebhookKey
from streams.webhooks.lane import Pauses
from streams.webhooks.posting import Attempt, Poster
from streams.webhooks.receipts import RECEIPTS, Standing, Told, read_receipt
from streams.webhooks.registration import Registration, register
from streams.webhooks.sender import Ports, Sender, SenderSettings
from tests.receivers import Receiver
from tests.relays import relay_of, settle, standing
from tests.scenario import by_tick, story

KEY = WebhookKey(bytes(range(32)))
GROUP = "slipwatch"
WITHIN_S = 20.0
PAUSES = Pauses(0.001, 0.01)
_wall = WallClock().now
TICKS = by_tick(story(7))


class Heard:
    """Keeps what the sender tells."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.troubles: list[str] = []

    def attempted(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def sender_trouble(self, text: str) -> None:
        self.troubles.append(text)


def run_story(engine: LocalEngine, ticks: slice) -> None:
    """Ticks of the story, relayed to the parties' topics too."""
    relay = relay_of(engine)
    for at, facts in TICKS[ticks]:
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
        settle(relay)
    relay.close()


def on_topic(engine: LocalEngine, party: str) -> dict[str, Any]:
    """What the party's topic says, by the line's id."""
    found = standing(engine.log, party)
    return {key.decode(): json.loads(value) for key, value in found.items()}


def knows_all(engine: LocalEngine, receiver: Receiver, party: str = "ACME") -> bool:
    """Whether the receiver knows what the party's topic says."""
    return receiver.standing() == on_topic(engine, party)


def receipts(engine: LocalEngine) -> dict[bytes, Told | Standing]:
    """What is written down of all parties, by key."""
    found: dict[bytes, Told | Standing] = {}
    for record in engine.log.committed(RECEIPTS):
        _, _, said = read_receipt(record)
        found.pop(record.key() or b"", None)
        if said is not None:
            found[record.key() or b""] = said
    return found


def signs_up(log: Log, party: str, url: str, registration: str = "a1" * 16) -> Registration:
    """Registers the party as the command does, with the key of these tests."""
    at = instant(WallClock().now())
    made = Registration(
        party=party, url=url, registration=registration, key_mark=KEY.mark(registration),
        registered_at=at, changed_at=at,
    )  # fmt: skip
    with register(log, GROUP) as book:
        book.write(made)
    return made


def secret_of(made: Registration) -> str:
    return KEY.secret(made.registration, made.secret)


def sender_of(
    engine: LocalEngine,
    ca_file: Path,
    heard: Heard | None = None,
    is_chosen: Callable[[], bool] = lambda: True,
    pauses: Pauses = PAUSES,
    answer_links: AnswerLinks | None = None,
    now: Callable[[], UtcMillis] = _wall,
) -> Sender:
    """A sender on the engine's log; `close` it in the loop it was driven in."""
    return Sender(
        engine.log,
        SenderSettings(GROUP, pauses, poll_s=0.001),
        Ports(
            is_chosen=is_chosen,
            load_key=lambda: KEY,
            make_poster=lambda: Poster(
                WallClock().now, 5.0, ca_file=ca_file, are_private_allowed=True
            ),
            now=now,
            answer_links=answer_links,
        ),
        heard or Heard(),
    )


async def turns(sender: Sender, claim: Callable[[], bool]) -> None:
    """Turns until the claim holds and what was sent is written down."""
    deadline = time.monotonic() + WITHIN_S
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        await sender.turn()
    for _ in range(5):
        await sender.turn()


async def until(claim: Callable[[], bool]) -> None:
    """Lets everything go on but the sender's own turns, until the claim holds."""
    deadline = time.monotonic() + WITHIN_S
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.001)


def drive(sender: Sender, claim: Callable[[], bool]) -> None:
    """One life of the sender: turns until the claim holds, and ends in order."""

    async def live() -> None:
        try:
            await turns(sender, claim)
        finally:
            await sender.close()

    asyncio.run(live())
