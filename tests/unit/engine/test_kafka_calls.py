"""A call of the client that does not come back is left behind, and holds up nobody."""

from __future__ import annotations

import threading
import weakref

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.engine import kafka_calls
from streams.engine.kafka_calls import Caller, CallLost


class Client:
    """What is called; it keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[object, ...]] = []
        self.may_go_on = threading.Event()

    def answer(self, *arguments: object) -> None:
        self.given.append(arguments)

    def refuse(self, timeout_s: float) -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def hang(self, timeout_s: float) -> None:
        self.may_go_on.wait(30.0)


def test_a_call_is_made_with_its_time_and_raises_what_it_raises() -> None:
    client, caller = Client(), Caller("test")
    caller.call(client.answer, 1, "two", timeout_s=3.0)
    caller.call(client.answer, timeout_s=4.0)
    assert client.given == [(1, "two", 3.0), (4.0,)]
    with pytest.raises(KafkaException):
        caller.call(client.refuse, timeout_s=1.0)
    caller.close()


def test_a_call_that_does_not_come_back_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_calls, "GRACE_S", 0.05)
    client, caller = Client(), Caller("test")
    with pytest.raises(CallLost):
        caller.call(client.hang, timeout_s=0.05)
    caller.close()
    client.may_go_on.set()


def test_a_client_that_was_let_go_is_gone() -> None:
    client, caller = Client(), Caller("test")
    caller.call(client.answer, timeout_s=1.0)
    seen = weakref.ref(client)
    del client
    assert seen() is None
    caller.close()
