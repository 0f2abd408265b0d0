"""The floor: what it costs to read facts from Kafka and decode them, and nothing else.

The consumer and the decoder are the product's own. No stage, no state, no output, no transaction:
nobody who reads these facts in Python can spend less by much.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from schemas.codec import FactDecoder
from schemas.facts import Family
from schemas.refusals import Refused
from schemas.topics import FACT_TOPICS
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Partition

BATCH = 20_000
READ_S = 1.0


class Floor(NamedTuple):
    """What one bare pass over the facts took; CPU of the whole process, all threads."""

    facts: int
    seconds: float
    cpu_seconds: float


def measure_floor(bootstrap: str, prefix: str) -> Floor:
    """Reads and decodes everything on the topics of facts, once. Run it in a fresh process."""
    log = KafkaLog(KafkaLogSettings({"bootstrap.servers": bootstrap}, prefix))
    counts = log.partition_counts(FACT_TOPICS)
    partitions = [Partition(topic, n) for topic in FACT_TOPICS for n in range(counts[topic])]
    ends = {p: end.stable for p, end in log.end_offsets(partitions).items()}
    decoder = FactDecoder()
    reader = log.reader()
    began, began_cpu = time.monotonic(), time.process_time()
    reader.assign(log.begin_offsets(partitions))
    left = sum(ends.values())
    facts = 0
    while facts < left:
        values: dict[str, list[bytes]] = {}
        for partition, records in reader.read(BATCH, READ_S).items():
            waiting = values.setdefault(partition.topic, [])
            waiting += [record.value() or b"" for record in records]
        for topic, waiting in values.items():
            decoded = decoder.decode(Family(topic), waiting)
            facts += sum(not isinstance(fact, Refused) for fact in decoded)
    result = Floor(facts, time.monotonic() - began, time.process_time() - began_cpu)
    reader.close()
    log.close()
    return result
