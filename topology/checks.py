"""What rows say of each other: ids told twice, references to nothing, loops, and what looks odd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from topology.fields import reference_of
from topology.graph import loops, sole_sources
from topology.network import Network
from topology.problems import Limits, Problem, quoted, suggestion
from topology.reading import RawRow
from topology.rows import AccountRow, BillOfMaterialRow, Row, Table

Key = tuple[str, ...]


@dataclass(frozen=True)
class CheckedTable:
    """The rows of one file that are right in themselves, each with where it stands.

    `ids` are those of all rows, so that a row with a fault elsewhere does not make the rows that
    refer to it wrong too. `is_whole` is false when the file could not be read to its end.
    """

    table: Table
    file: str
    rows: tuple[tuple[RawRow, Row], ...] = ()
    ids: frozenset[str] = frozenset()
    is_whole: bool = True


def key_of(table: Table, row: Row) -> Key:
    """What tells the row apart from the others of its file."""
    return tuple(getattr(row, name) for name in table.key)


def relation_problems(tables: dict[str, CheckedTable], limits: Limits) -> tuple[list[Problem], int]:
    """Errors between rows (duplicates, unknown references, loops), and how many more there are than
    may be listed."""
    budget = _Budget(limits.problems_max)
    for table in tables.values():
        budget.take(_duplicates(table))
        budget.take(_unknown_references(table, tables, budget))
    budget.take(_bill_loops(tables["bills_of_material"]))
    budget.take(_account_loops(tables["accounts"]))
    return budget.problems, budget.omitted


class _Budget:
    """The first problems; the others are counted."""

    def __init__(self, problems_max: int) -> None:
        self._problems_max = problems_max
        self.problems: list[Problem] = []
        self.omitted = 0

    @property
    def is_spent(self) -> bool:
        return len(self.problems) >= self._problems_max

    def take(self, found: Iterator[Problem]) -> None:
        for problem in found:
            if self.is_spent:
                self.omitted += 1
            else:
                self.problems.append(problem)


def _duplicates(checked: CheckedTable) -> Iterator[Problem]:
    first: dict[Key, RawRow] = {}
    for raw, row in checked.rows:
        key = key_of(checked.table, row)
        before = first.setdefault(key, raw)
        if before is not raw:
            found = " ".join(quoted(part) for part in key if part)
            expected = f"each {' and '.join(checked.table.key)} once: line {before.line} has it too"
            yield raw.problem(checked.table.key[0], found, expected)


def _unknown_references(
    checked: CheckedTable, tables: dict[str, CheckedTable], budget: _Budget
) -> Iterator[Problem]:
    references = [
        (name, reference_of(field))
        for name, field in checked.table.row.model_fields.items()
        if reference_of(field)
    ]
    for raw, row in checked.rows:
        for name, target in references:
            known = tables[target]
            if not known.is_whole:
                continue
            value = getattr(row, name)
            for each in value if isinstance(value, tuple) else (value,) if value else ():
                if each not in known.ids:
                    # To look for a close name takes milliseconds, so only while it is listed.
                    close = "" if budget.is_spent else suggestion(each, known.ids)
                    expected = f"an id in {known.file}{close}"
                    yield raw.problem(name, quoted(each), expected)


def _bill_loops(checked: CheckedTable) -> Iterator[Problem]:
    bills = {
        (row.parent, row.component): raw
        for raw, row in checked.rows
        if isinstance(row, BillOfMaterialRow)
    }
    for loop in loops(bills):
        yield bills[loop[0], loop[1]].problem(
            "component", f"the loop {' > '.join(loop)}", "no item that is part of itself"
        )


def _account_loops(checked: CheckedTable) -> Iterator[Problem]:
    parents = {
        (row.id, row.parent): raw
        for raw, row in checked.rows
        if isinstance(row, AccountRow) and row.parent
    }
    for loop in loops(parents):
        yield parents[loop[0], loop[1]].problem(
            "parent", f"the loop {' > '.join(loop)}", "no account that is above itself"
        )


def warnings(
    network: Network, tables: dict[str, CheckedTable], limits: Limits
) -> Iterator[Problem]:
    """What may be meant but is odd enough to say. Asked of a network without errors."""
    yield from _lane_warnings(network, tables["lanes"])
    yield from _sole_source_warnings(network, tables["lanes"])
    yield from _bill_warnings(network, tables["bills_of_material"])
    yield from _account_and_feed_warnings(network, tables)
    for cell, nodes in network.cells.items():
        if len(nodes) > limits.cell_nodes_max:
            found = f"{len(nodes)} stock nodes in the cell {quoted(cell)}"
            expected = f"at most {limits.cell_nodes_max}: cut it with cell_boundary"
            yield Problem(tables["lanes"].file, 0, "cell_boundary", found, expected)


def _lane_warnings(network: Network, checked: CheckedTable) -> Iterator[Problem]:
    for raw, row in checked.rows:
        lane = network.lanes[key_of(checked.table, row)[0]]
        if not lane.lead_time_p50_ms:
            yield raw.problem("lead_time_p50_hours", "0", "more than 0: goods take time")
        if not network.graph.carried[lane.id]:
            expected = "items, or stock nodes at either end: the lane carries nothing known"
            yield raw.problem("items", "nothing", expected)


def _sole_source_warnings(network: Network, checked: CheckedTable) -> Iterator[Problem]:
    raw_of = {key_of(checked.table, row)[0]: raw for raw, row in checked.rows}
    lane_of: dict[tuple[str, str], str] = {}
    for lane in network.document.lanes:
        for item in network.graph.carried[lane.id]:
            lane_of.setdefault((item, lane.destination), lane.id)
    for sole in sole_sources(network.graph, network.document):
        found = f"{quoted(sole.supplier)} as sole source of {quoted(sole.item)}"
        expected = f"a second source for {quoted(sole.site)}"
        yield raw_of[lane_of[sole.item, sole.site]].problem("origin", found, expected)


def _bill_warnings(network: Network, checked: CheckedTable) -> Iterator[Problem]:
    joined = {
        (parent, component)
        for (component, _), (parent, _) in network.graph.directed.edges
        if parent != component
    }
    for raw, row in checked.rows:
        parent, component, _ = key_of(checked.table, row)
        if (parent, component) not in joined:
            expected = "a site that has both items: the bill applies nowhere"
            yield raw.problem("component", quoted(component), expected)


def _account_and_feed_warnings(
    network: Network, tables: dict[str, CheckedTable]
) -> Iterator[Problem]:
    for raw, row in tables["accounts"].rows:
        if not network.account_manager(key_of(tables["accounts"].table, row)[0]):
            yield raw.problem("account_manager", "nothing, here or above", "someone to tell")
    for raw, row in tables["feeds"].rows:
        feed = network.feeds[key_of(tables["feeds"].table, row)[0]]
        if feed.every_ms is None and feed.daily_at_minutes is None:
            yield raw.problem(
                "every_hours",
                "no rhythm",
                "every_hours or daily_at: else it is blind only by learned_feeds of the policy",
            )
