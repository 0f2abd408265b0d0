"""Ways to get survival wrong on Apache Kafka, for the test that the oracle notices each of them.

A worker process of a storm puts one on when it is told to (`victim`). Each is wrong only when a
worker dies at a bad moment: without a storm all of them pass.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any, cast

from confluent_kafka import Producer

from streams.engine.kafka_clients import KafkaProducer
from streams.engine.moments import Moment
from streams.engine.worker import Worker

MUTATION_VARIABLE = "STORM_MUTATION"
"""In the environment of a worker process: the name of what is wrong with it."""

FOR_READERS = ("alerts", "decisions", "notifications", "order-status")


class _Through:
    """A producer that passes everything on; mutations change one thing of it. `hurts` once a
    worker that dies before the commit does harm."""

    def __init__(self, inner: KafkaProducer, worker: Worker) -> None:
        self.inner = inner
        self.worker = worker
        self.hurts = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _Torn(_Through):
    """State, progress and offsets are committed first, what readers see after them."""

    def begin(self) -> None:
        self.later: list[Any] = []
        self.inner.begin()

    def produce(self, topic: str, *rest: Any) -> None:
        if topic in FOR_READERS:
            self.later.append((topic, *rest))
        else:
            self.inner.produce(topic, *rest)

    def commit(self) -> None:
        self.inner.commit()
        self.hurts = bool(self.later)
        self.worker._settings.failpoint(Moment.BEFORE_COMMIT)
        self.inner.begin()
        for record in self.later:
            self.inner.produce(*record)
        self.inner.commit()


class _Loose(_Through):
    """What readers see is written without a transaction, and so before the commit."""

    def begin(self) -> None:
        self.plain = Producer(
            {"bootstrap.servers": os.environ["SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS"]}
        )
        self.inner.begin()

    def produce(self, topic: str, *rest: Any) -> None:
        if topic not in FOR_READERS:
            self.inner.produce(topic, *rest)
            return
        partition, key, value, headers = rest
        self.hurts = True
        name = os.environ["SLIPWATCH_TOPICS__PREFIX"] + topic
        self.plain.produce(name, value, key, partition, headers=headers or [])

    def send_offsets(self, *arguments: Any) -> None:
        self.plain.flush()
        self.inner.send_offsets(*arguments)


def _through(wrap: type[_Through]) -> Callable[[], None]:
    def put_on() -> None:
        original = Worker._transact

        def transact(self: Worker, *arguments: Any) -> None:
            settings, producer = self._settings, self._producer
            assert isinstance(producer, KafkaProducer)
            wrapped = wrap(producer, self)

            def where_it_hurts(moment: Moment) -> None:
                if wrapped.hurts or moment is not Moment.BEFORE_COMMIT:
                    settings.failpoint(moment)

            self._settings = dataclasses.replace(settings, failpoint=where_it_hurts)
            self._producer = cast("KafkaProducer", wrapped)
            try:
                original(self, *arguments)
            finally:
                self._settings, self._producer = settings, producer

        Worker._transact = transact  # type: ignore[method-assign,assignment]

    return put_on


MUTATIONS: dict[str, Callable[[], None]] = {
    "state first, readers after": _through(_Torn),
    "readers outside the transaction": _through(_Loose),
}
