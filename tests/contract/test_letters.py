"""Dead letters brought back exactly once, on the log in memory and on Apache Kafka."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from schemas.codec import encode_fact, pack
from schemas.records import DeadLetter, decode, encode
from schemas.units import HOUR_MS
from streams.engine.clock import ManualClock
from streams.engine.log import Fenced, Log, TransactionalProducer
from streams.letters import (
    LETTERS_PER_TRANSACTION_MAX,
    TRANSACTIONAL_ID,
    Retried,
    retry_all,
    retry_named,
)
from streams.replay.audit import audit
from tests.scenario import START, Chain
from tests.worlds import KafkaWorld, World, running, until

AT = dt.datetime(2026, 3, 2, 6, 0, tzinfo=dt.UTC)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def world(request: pytest.FixtureRequest, unique_name: str) -> Iterator[World]:
    if request.param == "memory":
        yield World()
    else:
        yield KafkaWorld(request.getfixturevalue("bootstrap"), unique_name)


class Killed(BaseException):
    """The process of the retry ends here."""


class Dying:
    """A log whose producers end the process at a commit, before or after it took place."""

    def __init__(self, log: Log, commit: Callable[[TransactionalProducer], None]) -> None:
        self._log = log
        self._commit = commit

    def transactional_producer(self, transactional_id: str) -> Any:
        producer: Any = self._log.transactional_producer(transactional_id)
        commit = producer.commit

        class Mortal:
            def __getattr__(self, name: str) -> Any:
                return getattr(producer, name)

            def commit(self) -> None:
                producer.flush()
                dying._commit(Original())
                raise Killed

            def close(self) -> None:
                """A process that is killed closes nothing."""

        class Original:
            def __getattr__(self, name: str) -> Any:
                return commit if name == "commit" else getattr(producer, name)

        dying = self
        return Mortal()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def letter(offset: int, value: bytes = b"", **more: Any) -> DeadLetter:
    return DeadLetter(
        id=f"orders/1/{offset}",
        topic="orders",
        partition=1,
        offset=offset,
        reason=more.pop("reason", "bad_body"),
        error="",
        tick=more.pop("tick", 3),
        at=AT,
        key_bytes=b"k",
        value=value or f"record {offset}".encode(),
        **more,
    )


def put(world: World, *letters: DeadLetter, partition: int = 2) -> None:
    for each in letters:
        world.send_raw("dead-letters", each.id.encode(), encode(each), partition)
    world.flush()


def came_back(world: World) -> list[tuple[int, bytes | None, bytes | None]]:
    return world.read("orders")


def marks(world: World) -> list[tuple[int, str]]:
    letters = [
        (n, decode(value, DeadLetter)) for n, _, value in world.read("dead-letters") if value
    ]
    return [(n, each.id) for n, each in letters if each.retried_at == AT]


def test_a_record_comes_back_once_and_its_letter_is_marked_where_it_lies(world: World) -> None:
    put(world, letter(7), letter(8))
    assert retry_named(world.log(), ["orders/1/7"], AT) == Retried(("orders/1/7",), (), (), ())
    assert came_back(world) == [(1, b"k", b"record 7")]
    assert marks(world) == [(2, "orders/1/7")]
    again = retry_named(world.log(), ["orders/1/7"], AT)
    assert again == Retried((), ("orders/1/7",), (), ())
    assert retry_all(world.log(), None, None, AT).sent == ("orders/1/8",)
    assert retry_all(world.log(), None, None, AT) == Retried((), (), (), ())
    assert came_back(world) == [(1, b"k", b"record 7"), (1, b"k", b"record 8")]


@pytest.mark.parametrize("is_committed", [False, True], ids=["before", "after"])
def test_a_retry_that_is_killed_around_its_commit_sends_nothing_twice(
    world: World, is_committed: bool
) -> None:
    count = LETTERS_PER_TRANSACTION_MAX + 3
    put(world, *(letter(n) for n in range(count)))

    def commit(producer: TransactionalProducer) -> None:
        if is_committed:
            producer.commit()

    with pytest.raises(Killed):
        retry_all(Dying(world.log(), commit), None, None, AT)
    done = LETTERS_PER_TRANSACTION_MAX if is_committed else 0
    found = retry_all(world.log(), None, None, AT)
    assert len(found.sent) == count - done
    assert sorted(value or b"" for _, _, value in came_back(world)) == sorted(
        f"record {n}".encode() for n in range(count)
    )
    assert len(marks(world)) == len(set(marks(world))) == count


def test_a_second_retry_shuts_out_the_first(world: World) -> None:
    put(world, letter(7))
    first = world.log().transactional_producer(TRANSACTIONAL_ID)
    first.begin()
    first.produce("orders", 1, b"k", b"record 7")
    first.produce("dead-letters", 2, b"orders/1/7", encode(letter(7, retried_at=AT)))
    first.flush()
    assert retry_all(world.log(), None, None, AT).sent == ("orders/1/7",)
    with pytest.raises(Fenced):
        first.commit()
    assert came_back(world) == [(1, b"k", b"record 7")]


def test_one_that_is_refused_again_is_open_again_wherever_its_mark_lies(world: World) -> None:
    refused = letter(7, tick=3)
    mark = msgspec.structs.replace(refused, retried_at=AT)
    put(world, mark, partition=0)
    put(world, refused)
    assert retry_all(world.log(), None, None, AT).sent == ()
    put(world, letter(7, tick=9))
    assert retry_all(world.log(), None, None, AT).sent == ("orders/1/7",)


def test_source_and_reason_choose_among_all(world: World) -> None:
    put(world, letter(1, source="a"), letter(2, source="b"), letter(3, source="a", reason="x"))
    assert retry_all(world.log(), "a", "bad_body", AT).sent == ("orders/1/1",)
    assert retry_all(world.log(), "a", None, AT).sent == ("orders/1/3",)
    assert retry_named(world.log(), ["orders/1/2", "orders/1/99"], AT).unknown == ("orders/1/99",)
    assert len(came_back(world)) == 2


def test_a_record_that_is_too_large_for_its_letter_is_read_where_it_lies(world: World) -> None:
    world.send_raw("orders", b"key", b"the whole record", 1)
    put(
        world,
        letter(0, b"the who", value_bytes=16),
        letter(4_000_000, b"the who", value_bytes=16),
    )
    found = retry_all(world.log(), None, None, AT)
    assert found.sent == ("orders/1/0",)
    assert [each.id for each in found.unsendable] == ["orders/1/4000000"]
    assert came_back(world) == [(1, b"key", b"the whole record")] * 2


def test_a_fact_refused_at_several_keys_comes_back_once_under_its_event_id(world: World) -> None:
    fact = Chain().placed("PO-1", START)
    refused = [
        msgspec.structs.replace(
            letter(-1, pack(fact)), id=f"{key}/acme-erp/e00001", topic="facts", partition=-1,
            source="acme-erp", event_id="e00001",
        )
        for key in ("a", "b")
    ]  # fmt: skip
    link = msgspec.structs.replace(refused[0], id="n/Lx", topic="links-rows", value=b"Lx")
    put(world, *refused, link)
    found = retry_all(world.log(), None, None, AT)
    assert set(found.sent) == {each.id for each in refused}
    assert [each.id for each in found.unsendable] == ["n/Lx"]
    ((_, key, value),) = came_back(world)
    assert key == b"ACME/PO-1"
    assert value == encode_fact(fact)


def test_what_comes_back_is_read_by_the_engine_and_the_audit_knows_marks(world: World) -> None:
    clock = ManualClock(START)
    world.send_raw("orders", b"k", b"no fact at all", 2)
    world.flush()

    def refused() -> list[str]:
        letters = [decode(value, DeadLetter) for _, _, value in world.read("dead-letters") if value]
        return [each.id for each in letters if each.retried_at is None]

    with running(world.worker("one", clock)):
        clock.set(START + HOUR_MS)
        until(lambda: refused() == ["orders/2/0"], "it is refused")
        assert retry_all(world.log(), None, None, AT).sent == ("orders/2/0",)
        clock.set(START + 2 * HOUR_MS)
        until(lambda: len(refused()) == 2, "it is refused again")
    found = audit(world.log())
    assert found.difference_count == 0, found.differences
