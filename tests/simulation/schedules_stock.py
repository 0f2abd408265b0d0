"""Ways to get stock wrong in the engine, each as the smallest change that does it; as in
`schedules_mutations`."""

from __future__ import annotations

from typing import Any

from streams.stages import stock_ledger
from streams.stages.nodes import NodeIndex
from tests.simulation.schedules_mutations import Mutation


def _nothing(*_: Any, **__: Any) -> None:
    pass


STOCK_MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "keep the lines that an aborted transaction put at a node",
        ((NodeIndex, "settle", _nothing),),
    ),
    Mutation("forget the lines of a node on restore", ((NodeIndex, "move", _nothing),)),
    Mutation("do not store the facts of a node's day", ((stock_ledger, "_store_days", _nothing),)),
)
