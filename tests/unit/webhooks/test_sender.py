"""The sender: each party's address learns what its topic holds, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from schemas.units import HOUR_MS
from streams.engine.clock import WallClock
from streams.engine.local import LocalEngine
from streams.engine.log import LogError
from streams.webhooks.keys import WebhookKey
from streams.webhooks.posting import Outcome
from streams.webhooks.receipts import SUSPENDED, Standing, Told
from streams.webhooks.registration import register
from tests.hooks import (
    GROUP,
    KEY,
    Heard,
    drive,
    knows_all,
    on_topic,
    receipts,
    run_story,
    secret_of,
    sender_of,
    signs_up,
    turns,
    until,
)
from tests.receivers import Receiver, Request, receiving
from tests.scenario import network

ALL = ("ACME", "CARGO", "SUP")
Tls = tuple[Path, Path]


def digests(engine: LocalEngine) -> list[bytes]:
    """What is written down that parties have, of each line: nothing where it is in doubt."""
    return [each.digest for each in receipts(engine).values() if isinstance(each, Told)]


def test_an_address_learns_what_the_topic_says_each_message_signed(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 8))
    with receiving(*tls) as receiver:
        made = signs_up(engine.log, "ACME", receiver.url())
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))
        assert len(receiver.requests) == len(on_topic(engine, "ACME")) > 3
        said = receiver.verified(secret_of(made))
        assert {each["type"] for each in said} == {"order-status.changed"}
        # Whoever goes on says nothing of what is known, and each change after that once.
        drive(sender_of(engine, tls[1]), lambda: True)
        assert len(receiver.requests) == len(said)
        run_story(engine, slice(8, 20))
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))
        assert len(receiver.effective()) == len(receiver.requests)
    assert receiver.requests[0].headers["content-type"] == "application/json"


def test_a_receiver_that_is_away_is_told_the_end_and_no_more(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    receiver = Receiver()
    with receiving(*tls, receiver):
        signs_up(engine.log, "ACME", receiver.url())
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))
    before = len(receiver.requests)
    known = receiver.standing()
    heard = Heard()
    sender = sender_of(engine, tls[1], heard)

    async def live() -> None:
        for number in range(4, 20):
            run_story(engine, slice(number, number + 1))
            await turns(sender, lambda: True)
        await turns(sender, lambda: len(heard.attempts) > 3)
        with receiving(*tls, receiver):
            await turns(sender, lambda: knows_all(engine, receiver))
        await sender.close()

    asyncio.run(live())
    stands = on_topic(engine, "ACME")
    changed = [line for line in stands if stands[line] != known.get(line)]
    assert {each.outcome for each in heard.attempts} == {Outcome.FAILED, Outcome.DELIVERED}
    assert len(receiver.effective()) - before == len(changed) > 3


def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_id(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    failing: set[str] = set()

    def loses_first(came: Request) -> tuple[int, Mapping[str, str]]:
        is_new = came.id not in failing
        failing.add(came.id)
        return (503 if is_new else 204), {}

    with receiving(*tls, Receiver(answers=loses_first)) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        heard = Heard()
        drive(
            sender_of(engine, tls[1], heard),
            lambda: (
                sum(each.outcome is Outcome.DELIVERED for each in heard.attempts)
                == len(on_topic(engine, "ACME"))
            ),
        )
        assert knows_all(engine, receiver)
        assert len(receiver.requests) == 2 * len(receiver.effective())


def test_what_was_in_doubt_when_the_sender_ended_is_told_again(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    with receiving(*tls, Receiver(delay_s=60.0)) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        # It ends while the first messages wait for their answers.
        drive(sender_of(engine, tls[1]), lambda: bool(receiver.requests))
        assert set(digests(engine)) == {b""}
        first = {each.id for each in receiver.requests}
        receiver.delay_s = 0.0
        drive(
            sender_of(engine, tls[1]),
            lambda: (
                len(receiver.effective()) == len(on_topic(engine, "ACME"))
                and len(receiver.requests) > len(receiver.effective())
            ),
        )
        again = [each.id for each in receiver.requests[len(first) :]]
        assert first <= set(again)


def test_parties_do_not_wait_for_each_other(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 8))
    with receiving(*tls, Receiver(delay_s=60.0)) as slow, receiving(*tls) as quick:
        signs_up(engine.log, "SUP", slow.url(), "b2" * 16)
        signs_up(engine.log, "ACME", quick.url())
        sender = sender_of(engine, tls[1])
        drive(sender, lambda: knows_all(engine, quick))
        assert 0 < len(slow.requests) <= 4


def test_gone_suspends_until_registered_again(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    with receiving(*tls, Receiver(answers=lambda _: (410, {}))) as receiver:
        made = signs_up(engine.log, "ACME", receiver.url())
        sender = sender_of(engine, tls[1])

        async def live() -> None:
            await turns(sender, lambda: b"ACME" in receipts(engine))
            count = len(receiver.requests)
            run_story(engine, slice(4, 6))
            await turns(sender, lambda: True)
            assert len(receiver.requests) == count
            await sender.close()

        asyncio.run(live())
        said = receipts(engine)[b"ACME"]
        assert isinstance(said, Standing)
        assert (said.state, said.says) == (SUSPENDED, "127.0.0.1 answered 410")
        # Another worker knows it too.
        count = len(receiver.requests)
        drive(sender_of(engine, tls[1]), lambda: True)
        assert len(receiver.requests) == count
        receiver.answers = lambda _: (200, {})
        receiver.requests.clear()
        with register(engine.log, GROUP) as book:
            book.write(replace(made, revision=2))
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))


def test_gone_stays_gone_whatever_its_neighbours_on_the_way_are_answered(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 8))
    held = True

    def answers(came: Request) -> tuple[int, Mapping[str, str]]:
        return (410 if came is receiver.requests[0] else 200), {}

    receiver = Receiver(answers=answers, is_held=lambda came: held and answers(came)[0] == 200)
    with receiving(*tls, receiver):
        signs_up(engine.log, "ACME", receiver.url())
        heard = Heard()
        sender = sender_of(engine, tls[1], heard)

        async def live() -> None:
            nonlocal held
            await turns(sender, lambda: b"ACME" in receipts(engine))
            held = False
            await turns(sender, lambda: len(heard.attempts) == len(receiver.requests))
            await sender.close()

        asyncio.run(live())
        outcomes = [each.outcome for each in heard.attempts]
        assert (outcomes[0], set(outcomes[1:])) == (Outcome.GONE, {Outcome.DELIVERED})
        assert sum(each != b"" for each in digests(engine)) == len(outcomes) - 1
        said = receipts(engine)[b"ACME"]
        assert isinstance(said, Standing)
        assert said.state == SUSPENDED
        drive(sender_of(engine, tls[1]), lambda: True)
        assert len(receiver.requests) == len(outcomes)


@pytest.mark.parametrize("is_stopped", [True, False])
def test_whoever_ends_in_order_writes_down_the_answers_that_are_there(
    tls: Tls, is_stopped: bool
) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 8))
    is_chosen = True
    with receiving(*tls) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        heard = Heard()
        sender = sender_of(engine, tls[1], heard, is_chosen=lambda: is_chosen)

        async def live() -> None:
            nonlocal is_chosen
            await sender.turn()
            await until(lambda: len(heard.attempts) == len(on_topic(engine, "ACME")))
            assert set(digests(engine)) == {b""}
            if not is_stopped:
                is_chosen = False
                await sender.turn()
                assert b"" not in digests(engine)
            await sender.close()

        asyncio.run(live())
        drive(sender_of(engine, tls[1]), lambda: True)
        assert len(receiver.requests) == len(receiver.effective())


def test_a_message_that_is_refused_holds_up_no_other(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 8))
    bad = min(on_topic(engine, "ACME"))

    def answers(came: Request) -> tuple[int, Mapping[str, str]]:
        return (422 if came.said["data"]["id"] == bad else 200), {}

    with receiving(*tls, Receiver(answers=answers)) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))
        assert [each.said["data"]["id"] for each in receiver.requests].count(bad) == 1


def test_a_redirect_is_not_followed(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    with receiving(*tls) as elsewhere:
        leads = {"location": elsewhere.url()}
        with receiving(*tls, Receiver(answers=lambda _: (307, leads))) as receiver:
            signs_up(engine.log, "ACME", receiver.url())
            heard = Heard()
            drive(sender_of(engine, tls[1], heard), lambda: len(heard.attempts) > 1)
            assert {each.outcome for each in heard.attempts} == {Outcome.REFUSED}
        assert elsewhere.requests == []


def test_who_leaves_a_line_is_told_and_who_is_removed_is_forgotten(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 8))
    with receiving(*tls) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))
        # Nobody is subscribed any more.
        engine.publish_network(network())
        run_story(engine, slice(8, 9))
        drive(sender_of(engine, tls[1]), lambda: receiver.standing() == {})
        engine.publish_network(network(subscribed=ALL))
        run_story(engine, slice(9, 10))
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))
        assert receiver.standing()
        with register(engine.log, GROUP) as book:
            book.remove("ACME")
        drive(sender_of(engine, tls[1]), lambda: not receipts(engine))
        # Registered anew, it gets everything, under other ids of messages.
        known = {each.id for each in receiver.requests}
        receiver.requests.clear()
        signs_up(engine.log, "ACME", receiver.url(), "c3" * 16)
        drive(sender_of(engine, tls[1]), lambda: knows_all(engine, receiver))
        assert not known & {each.id for each in receiver.requests}


def test_who_registers_while_the_sender_runs_is_told_and_a_secret_changes_over(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    with receiving(*tls) as receiver:
        sender = sender_of(engine, tls[1])

        async def live() -> None:
            await turns(sender, lambda: sender.status().state == "running")
            made = signs_up(engine.log, "ACME", receiver.url())
            await turns(sender, lambda: knows_all(engine, receiver))
            old = secret_of(made)
            receiver.verified(old)
            receiver.requests.clear()
            after = replace(made, revision=2, secret=2, both_until=WallClock().now() + HOUR_MS)
            with register(engine.log, GROUP) as book:
                book.write(after)
            await turns(sender, lambda: True)
            run_story(engine, slice(4, 8))
            await turns(sender, lambda: bool(receiver.requests))
            # The receiver's library takes either.
            assert receiver.verified(old)
            assert receiver.verified(secret_of(after))
            await turns(sender, lambda: sender.status().owed == 0)
            receiver.requests.clear()
            with register(engine.log, GROUP) as book:
                book.write(replace(after, revision=3, both_until=WallClock().now() - 1))
            await turns(sender, lambda: True)
            run_story(engine, slice(8, 12))
            await turns(sender, lambda: bool(receiver.requests))
            assert receiver.verified(secret_of(after))
            with pytest.raises(Exception, match="No matching signature"):
                receiver.verified(old)
            await sender.close()

        asyncio.run(live())


def test_another_worker_takes_over_and_the_first_lets_go(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    chosen = "first"
    with receiving(*tls) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        first = sender_of(engine, tls[1], is_chosen=lambda: chosen == "first")
        second = sender_of(engine, tls[1], is_chosen=lambda: chosen == "second")

        async def live() -> None:
            nonlocal chosen
            await turns(first, lambda: knows_all(engine, receiver))
            await turns(second, lambda: True)
            assert [each.status().state for each in (first, second)] == ["running", "idle"]
            run_story(engine, slice(4, 8))
            chosen = "second"
            await turns(second, lambda: knows_all(engine, receiver))
            await turns(first, lambda: True)
            assert first.status().state == "idle"
            assert len(receiver.requests) == len(receiver.effective())
            # A zombie that believes it is chosen can write nothing down, and so begins nothing.
            chosen = "first"
            await turns(first, lambda: True)
            chosen = "second"
            run_story(engine, slice(8, 12))
            count = len(receiver.requests)
            with pytest.raises(LogError):
                await turns(second, lambda: False)
            assert len(receiver.requests) == count
            await first.close()
            await second.close()

        asyncio.run(live())


def test_another_key_than_that_of_the_register_signs_nothing(tls: Tls) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run_story(engine, slice(0, 4))
    with receiving(*tls) as receiver:
        made = signs_up(engine.log, "ACME", receiver.url())
        with register(engine.log, GROUP) as book:
            other = WebhookKey(b"x" * 32).mark(made.registration)
            book.write(replace(made, key_mark=other))
        with pytest.raises(LogError, match="another webhook key"):
            drive(sender_of(engine, tls[1]), lambda: False)
        assert receiver.requests == []
    assert "***" in repr(KEY)
