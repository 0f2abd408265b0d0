"""How the engine's topics must lie on the broker for state to be where it is looked for."""

from __future__ import annotations

from streams.engine.flow import INPUT_TOPICS, LAST_STAGE
from streams.engine.log import Log, LogError


def engine_partitions(log: Log) -> int:
    """How many partitions the engine's topics have, all of them alike.

    Raises LogError when a topic is missing, or when one has more partitions than the others: state
    lies by partition number, so that another count looks for it in the wrong place.
    """
    counts = log.partition_counts([*INPUT_TOPICS, "lines"])
    missing = [topic for topic, count in counts.items() if count == 0]
    if missing:
        raise LogError(f"topics are missing: {', '.join(missing)}", "Run: slipwatch topics create")
    partitions = counts[LAST_STAGE[1]]
    inner = [topic for topic in counts if topic.endswith("-rows")]
    wrong = [topic for topic in (*inner, "lines") if counts[topic] != partitions]
    if wrong:
        raise LogError(
            f"{wrong[0]} has {counts[wrong[0]]} partitions and {LAST_STAGE[1]} "
            f"{partitions}; state is split by partition, so they must be equal",
            "Restore the topic, or choose a new prefix and rebuild from the facts.",
        )
    return partitions
