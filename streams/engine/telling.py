"""What `progress` says of a worker itself, for `status`: what it holds, restores and copies.

The tick beside it is the newest that the worker knew. A partition that is being restored holds up
the tick in flight, so once a later tick is done everywhere the worker restores nothing any more,
even if it was killed and never said so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from schemas.ticks import WORKER_STAGE, StageProgress
from streams.engine.log import TransactionAborted, TransactionalProducer
from streams.engine.observation import TellingPartners, tells_nobody
from streams.engine.writing import OutRecord, progress_record


class Standing(NamedTuple):
    """Partitions that a worker was given, how many of them it still restores, and of how many
    partitions of others it keeps copies; none until all of these were read to the end once. Then
    how many ids of a schema registry it waits to know, and the fields of `TellingPartners`."""

    partitions: int
    restoring: int
    copies: int
    schemas_awaited: int
    parties: int = 0
    behind: int = 0
    webhooks: int = 0
    webhooks_owed: int = 0
    webhooks_failing: int = 0


class Telling:
    """Tells of one worker whenever there is something new to tell."""

    def __init__(self, worker: str, partners: Callable[[], TellingPartners] = tells_nobody) -> None:
        self._worker = worker
        self._partners = partners
        self._told: Standing | None = None

    def forget(self) -> None:
        """What was told before counts no more."""
        self._told = None

    def tell(self, producer: TransactionalProducer, tick: int, standing: Standing) -> None:
        """Writes it, with how partners are told, in a transaction of its own, if it is new. Raises
        TransactionAborted when it could not; the next call tries again."""
        standing = standing._replace(**self._partners()._asdict())
        if standing == self._told or not standing.partitions:
            return
        producer.begin()
        try:
            told = worker_record(self._worker, tick, standing)
            producer.produce(told.topic, told.partition, told.key, told.value)
            producer.commit()
        except TransactionAborted:
            producer.abort()
            raise
        self._told = standing


def worker_record(worker: str, tick: int, standing: Standing) -> OutRecord:
    """The record of `progress`."""
    return progress_record(
        StageProgress(
            stage=WORKER_STAGE,
            topic=worker,
            partition=0,
            tick=tick,
            offset=0,
            worker=worker,
            counts=standing._asdict(),
        )
    )
