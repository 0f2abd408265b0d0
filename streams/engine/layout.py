"""How the engine's topics must lie on the broker for state to be where it is looked for."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.topics import FACT_TOPICS, TOPICS, Spread
from streams.engine.control import SCHEMAS, TICKS
from streams.engine.flow import LAST_STAGE
from streams.engine.log import Log, LogError, Partition

ENGINE_TOPICS: tuple[str, ...] = tuple(
    topic.name for topic in TOPICS if topic.spread is Spread.ENGINE
)
"""Topics that are split as the engine's state is: changelogs, what passes between stages, and what
is published of them."""

WAY_OUT = (
    "Restore the topic, or delete it if it is an internal one, then run `slipwatch topics create` "
    "and rebuild from the facts: `slipwatch rebuild`; this worker changed nothing."
)


def engine_partitions(log: Log) -> int:
    """How many partitions the engine's topics have, all of them alike.

    Raises LogError when a topic is missing, or when one has another count than the others: state
    lies by partition number, so that it would be looked for in the wrong place.
    """
    counts = log.partition_counts([*FACT_TOPICS, *ENGINE_TOPICS, TICKS.topic, SCHEMAS.topic])
    missing = [topic for topic, count in counts.items() if count == 0]
    if missing:
        raise LogError(f"topics are missing: {', '.join(missing)}", "Run: slipwatch topics create")
    partitions = counts[LAST_STAGE[1]]
    wrong = [topic for topic in ENGINE_TOPICS if counts[topic] != partitions]
    if wrong:
        raise LogError(
            f"{wrong[0]} has {counts[wrong[0]]} partitions and {LAST_STAGE[1]} "
            f"{partitions}; state is split by partition, so they must be equal",
            WAY_OUT,
        )
    return partitions


def check_numbers(partitions: Iterable[Partition], count: int) -> None:
    """Raises LogError when the group hands out a partition that was not there at the start."""
    for partition in partitions:
        if partition.topic in ENGINE_TOPICS and partition.number >= count:
            raise LogError(
                f"{partition.topic} was given a partition {partition.number}; state is split by "
                f"partition, and all of the engine's topics have {count}",
                WAY_OUT,
            )
