"""Reads what was published: the versions of the network or of the policy that are on the broker."""

from __future__ import annotations

from collections.abc import Iterator

from streams.engine.log import Log, LogError, Partition, foreign_record
from streams.publishing import Assembler, Publication, PublicationError
from streams.ranges import read_whole


def read_published(log: Log, topic: str) -> Iterator[Publication]:
    """Every version on the topic, in the order in which they became whole.

    Raises LogError when the topic is missing, does not answer, or holds what is no publication.
    """
    if log.partition_counts([topic])[topic] == 0:
        raise LogError(f"there is no topic {topic}", "Run: slipwatch topics create")
    assembler = Assembler()
    for record in read_whole(log, Partition(topic, 0)):
        whole = _add(assembler, topic, record.offset(), record.value())
        if whole is not None:
            yield whole


def _add(assembler: Assembler, topic: str, offset: int, value: bytes | None) -> Publication | None:
    if value is None:
        return None
    try:
        return assembler.add(value)
    except PublicationError as error:
        raise foreign_record(Partition(topic, 0), offset, error) from error
