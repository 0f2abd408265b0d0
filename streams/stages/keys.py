"""Keys that stages share. Control characters keep them apart from ids, which may not hold any."""

from __future__ import annotations

import zlib

from alerts.lines import LineSummary
from schemas.facts import split_stock_node_id
from schemas.value_checks import LAST_CHARACTER
from topology.network import Network

SOURCE_MARK = "\x01"
PRICE_MARK = "\x02"
PART_MARK = "\x00"
HASH_CELLS = 1024
"""Cells for lines whose item the network does not know; many, so that they spread over workers."""


def source_key(source: str) -> str:
    """The key of a source, beside the keys of lines."""
    return SOURCE_MARK + source


def is_source(key: str) -> bool:
    """Whether the key is a source's."""
    return key.startswith(SOURCE_MARK)


def price_key(price_list: str) -> str:
    """The key of a price list, beside cells."""
    return PRICE_MARK + price_list


def is_price(key: str) -> bool:
    """Whether the key is a price list's, or begins with it."""
    return key.startswith(PRICE_MARK)


def node_key(node: str) -> str:
    """The key of a stock node, after those of all lines: it is evaluated when they are."""
    return LAST_CHARACTER + node


def is_node(key: str) -> bool:
    """Whether the key is a stock node's, or begins with it."""
    return key.startswith(LAST_CHARACTER)


def node_of(key: str) -> str:
    """The id of the stock node, ITEM@SITE, of its key."""
    return key[len(LAST_CHARACTER) :]


def part(whole: str, name: str) -> str:
    """The key of a part of something: a line in its cell, a finding in its incident."""
    return f"{whole}{PART_MARK}{name}"


def split_part(key: str) -> tuple[str, str]:
    """What `part` joined."""
    whole, _, name = key.partition(PART_MARK)
    return whole, name


def cells_of(line: LineSummary, network: Network) -> tuple[str, ...]:
    """The cells that must know the line; the first one, where it ships from, judges it."""
    judge = _cell(network, line.item, line.ship_from)
    supply = _cell(network, line.item, line.ship_to)
    if judge is None:
        judge = supply
    if judge is None:
        judge = f"~{zlib.crc32(line.line_id.encode()) % HASH_CELLS}"
    if supply is None or supply == judge:
        return (judge,)
    return (judge, supply)


def cell_of_node(node: str, network: Network) -> str:
    """The cell that judges a stock node; one by hash where the network does not know it."""
    cell = network.cell_of(*split_stock_node_id(node))
    return f"~{zlib.crc32(node.encode()) % HASH_CELLS}" if cell is None else cell


def _cell(network: Network, item: str | None, site: str | None) -> str | None:
    if item is None or site is None:
        return None
    return network.cell_of(item, site)
