"""What a sender granted and did not send at once: another may have taken over meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schemas.units import SECOND_MS, UtcMillis, iso
from streams.engine.clock import WallClock
from streams.engine.local import LocalEngine
from streams.engine.log import Fenced
from streams.webhooks.lane import GRANTED_MAX, IN_FLIGHT_MAX
from streams.webhooks.posting import Outcome
from streams.webhooks.sender import GRANT_GOOD_MS
from tests.hooks import (
    Heard,
    knows_all,
    on_topic,
    run_story,
    sender_of,
    signs_up,
    turns,
    until,
)
from tests.receivers import Receiver, Request, receiving
from tests.scenario import network

Tls = tuple[Path, Path]


class Frozen:
    """The clock of both senders, and a receiver that keeps its first answers until `goes_on`."""

    def __init__(self) -> None:
        self.at: UtcMillis = WallClock().now()
        self.goes_on = False
        self.receiver = Receiver(is_held=self._holds)

    def now(self) -> UtcMillis:
        return self.at

    def _holds(self, came: Request) -> bool:
        first = self.receiver.requests[:IN_FLIGHT_MAX]
        return not self.goes_on and any(came is each for each in first)


def test_what_one_that_was_replaced_still_sends_is_older_than_what_its_successor_said(
    tls: Tls,
) -> None:
    engine = LocalEngine(network(subscribed=("ACME",)))
    run_story(engine, slice(0, 12))
    granted = len(on_topic(engine, "ACME"))
    assert IN_FLIGHT_MAX < granted <= GRANTED_MAX
    world, heard = Frozen(), Heard()
    with receiving(*tls, world.receiver) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        first = sender_of(engine, tls[1], heard, now=world.now)
        second = sender_of(engine, tls[1], now=world.now)

        async def live() -> None:
            await turns(first, lambda: len(receiver.requests) == IN_FLIGHT_MAX)
            run_story(engine, slice(12, 20))
            world.at += SECOND_MS
            await turns(second, lambda: knows_all(engine, receiver))
            count = len(receiver.requests)
            world.at += SECOND_MS
            # It looks at the log no more, and what it granted goes its way.
            world.goes_on = True
            await until(lambda: len(heard.attempts) == granted)
            assert len(receiver.requests) == count + granted - IN_FLIGHT_MAX
            assert {each.outcome for each in heard.attempts} == {Outcome.DELIVERED}
            assert knows_all(engine, receiver)
            with pytest.raises(Fenced):
                await first.turn()
            await first.close()
            await second.close()

        asyncio.run(live())


def test_what_was_granted_long_ago_is_granted_anew_before_it_is_sent(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=("ACME",)))
    run_story(engine, slice(0, 12))
    before = on_topic(engine, "ACME")
    world = Frozen()
    with receiving(*tls, world.receiver) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        sender = sender_of(engine, tls[1], now=world.now)

        async def live() -> None:
            await turns(sender, lambda: len(receiver.requests) == IN_FLIGHT_MAX)
            began_at = world.at
            run_story(engine, slice(12, 20))
            world.at += GRANT_GOOD_MS + 1
            world.goes_on = True
            await turns(sender, lambda: knows_all(engine, receiver))
            await sender.close()
            said = [each.said["timestamp"] for each in receiver.requests]
            assert said[:IN_FLIGHT_MAX] == [iso(began_at)] * IN_FLIGHT_MAX
            assert set(said[IN_FLIGHT_MAX:]) == {iso(world.at)}

        asyncio.run(live())
        # Of what waited nothing was told that holds no more.
        stands = on_topic(engine, "ACME")
        assert any(stands[line] != before[line] for line in before)
        sent = [each.said["data"]["id"] for each in receiver.requests]
        waited = sent[IN_FLIGHT_MAX:]
        assert len(waited) == len(set(waited)) >= len(stands) - IN_FLIGHT_MAX
