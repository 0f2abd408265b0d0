"""The books: what they say to whoever takes over, and which addresses they refuse to use."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from schemas.units import UtcMillis
from streams.engine.clock import WallClock
from streams.engine.local import LocalEngine
from streams.engine.memory_log import MemoryLog
from streams.engine.recorded import read_committed
from streams.engine.relay import ID_KEY, RELAY_STATE
from streams.webhooks.books import Books
from streams.webhooks.lane import Lane, Owed, digest
from streams.webhooks.receipts import (
    RECEIPTS,
    SUSPENDED,
    Standing,
    Told,
    read_receipt,
    told_record,
)
from streams.webhooks.registration import Registration, register
from tests.hooks import (
    GROUP,
    KEY,
    PAUSES,
    Heard,
    drive,
    knows_all,
    on_topic,
    receipts,
    run_story,
    sender_of,
    signs_up,
)
from tests.receivers import receiving
from tests.scenario import network

LINE = b"0f" * 16
Tls = tuple[Path, Path]


def knows_one_line() -> tuple[MemoryLog, Registration]:
    """A party that has one line, of which nothing is said any more."""
    log = MemoryLog(1, 1)
    made = signs_up(log, "ACME", "https://a.example")
    log.append(RELAY_STATE.topic, ID_KEY, b"k" * 32, 0)
    key, value = told_record("ACME", LINE, made.registration, digest(b"as it stood"))
    log.append(RECEIPTS.topic, key, value, 0)
    return log, made


def owed_of(log: MemoryLog) -> tuple[Books, Lane, Owed]:
    """Books of a new sender, with the one message that is due, as noted."""
    books = Books(log, GROUP, lambda: KEY, PAUSES, WallClock().now)
    assert books.take(books.read(0), 0.0)
    ((lane, owed),) = books.due(0.0)
    books.write()
    books.close()
    return books, lane, owed


def test_a_removal_keeps_its_id_when_another_worker_goes_on() -> None:
    log, _ = knows_one_line()
    _, _, first = owed_of(log)
    assert (first.line, first.value) == (LINE, None)
    # What the first noted is one record more, and what it sent is in doubt.
    for _ in range(3):
        _, _, again = owed_of(log)
        assert again.message_id == first.message_id


def test_another_removal_of_the_line_has_another_id() -> None:
    log, made = knows_one_line()
    _, _, first = owed_of(log)
    # The line came back, was told, and is gone again.
    key, value = told_record("ACME", LINE, made.registration, digest(b"once more"))
    log.append(RECEIPTS.topic, key, value, 0)
    _, _, second = owed_of(log)
    assert second.message_id != first.message_id


class ToldBefore(msgspec.Struct, frozen=True, array_like=True):
    """A receipt as releases before `removal` knew it."""

    format: int
    registration: str
    digest: bytes


def test_receipts_are_read_across_releases() -> None:
    old = msgspec.msgpack.encode(ToldBefore(1, "a1" * 16, b"digest"))
    log = MemoryLog(1, 1)
    key, new = told_record("ACME", LINE, "a1" * 16, b"", "msg_1")
    log.append(RECEIPTS.topic, key, old, 0)
    log.append(RECEIPTS.topic, key, new, 0)
    said = [read_receipt(record)[2] for _, record in read_committed(log, [RECEIPTS])]
    assert said == [Told(1, "a1" * 16, b"digest"), Told(1, "a1" * 16, b"", "msg_1")]
    assert msgspec.msgpack.decode(new, type=ToldBefore) == ToldBefore(1, "a1" * 16, b"")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook", "https://user:word@a.example/"])
def test_an_address_that_the_command_would_refuse_is_sent_nothing_and_holds_up_no_other(
    tls: Tls, url: str
) -> None:
    engine = LocalEngine(network(subscribed=("ACME", "SUP")))
    run_story(engine, slice(0, 8))
    with receiving(*tls) as receiver:
        signs_up(engine.log, "ACME", receiver.url())
        made = signs_up(engine.log, "SUP", url, "b2" * 16)
        heard = Heard()
        drive(sender_of(engine, tls[1], heard), lambda: knows_all(engine, receiver))
        assert len(heard.attempts) == len(on_topic(engine, "ACME"))
        said = receipts(engine)[b"SUP"]
        assert isinstance(said, Standing)
        assert said.state == SUSPENDED
        assert said.says.startswith("the address ")
        # Put right, it is told everything.
        with register(engine.log, GROUP) as book:
            book.write(replace(made, url=receiver.url("/sup"), revision=2))
        drive(
            sender_of(engine, tls[1]),
            lambda: (
                len({each.id for each in receiver.requests if each.path == "/sup"})
                == len(on_topic(engine, "SUP"))
            ),
        )


def test_an_address_is_looked_at_again_when_it_is_written_while_the_sender_runs() -> None:
    log, made = knows_one_line()
    at: UtcMillis = 1_775_000_000_000
    books = Books(log, GROUP, lambda: KEY, PAUSES, lambda: at)
    assert books.take(books.read(0), 0.0)
    with register(log, GROUP) as book:
        book.write(replace(made, url="http://a.example", revision=2))
    assert books.take(books.read(0), 0.0)
    assert books.due(0.0) == []
    assert books.state_of("ACME") == SUSPENDED
    with register(log, GROUP) as book:
        book.write(replace(made, revision=3))
    assert books.take(books.read(0), 0.0)
    assert len(books.due(0.0)) == 1
    books.close()
