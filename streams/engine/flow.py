"""The flow: the stages in their order, and the topics that a worker reads."""

from __future__ import annotations

from schemas.topics import FACT_TOPICS
from streams.engine.control import TICKS
from streams.engine.log import Partition
from streams.stages.cells import Cells
from streams.stages.incidents import Incidents
from streams.stages.ledgers import Ledgers
from streams.stages.links import Links
from streams.stages.notices import Notices
from streams.stages.stage import Stage

STAGES: tuple[type[Stage], ...] = (Links, Ledgers, Cells, Incidents, Notices)
"""The keyed stages in the order of the flow; intake comes before them."""

INPUT_TOPICS: tuple[str, ...] = (
    *FACT_TOPICS,
    "links-rows",
    "ledgers-rows",
    "cells-rows",
    "incidents-rows",
    "notices-rows",
    TICKS.topic,
)
"""What the group subscribes to: every input of a stage, and `ticks` to choose the ticker."""

LAST_STAGE = ("notices", "notices-rows")


def last_partitions(count: int) -> list[Partition]:
    """The inputs of the last stage, of which there are as many as of every engine topic."""
    return [Partition(LAST_STAGE[1], number) for number in range(count)]
