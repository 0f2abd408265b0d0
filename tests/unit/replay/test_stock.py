"""A log of stock movements as CSV, by a mapping, through the stages."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.facts import InventoryFact
from schemas.units import QUANTITY_ONE
from streams.replay.inputs import mapped_rows
from streams.replay.mapping_file import MappingError, read_mapping
from streams.replay.runner import ReplayOptions, run_replay
from tests.scenario import network
from topology.model import StockNode
from topology.network import build

MAPPING = b"""
mapping: stock-log
source: wms
file: {row_id: No}
values:
  at: {moment: {of: {column: When}, formats: ["YYYY-MM-DD hh:mm"]}}
  pieces: {quantity: {column: Pieces}}
facts:
  - family: inventory
    kind: counted
    when: {equals: {of: {column: What}, to: [count]}}
    occurred_at: {value: at}
    fields: &node
      item: {column: Item}
      site: {column: Site}
      quantity: {value: pieces}
      unit: {constant: EA}
  - family: inventory
    kind: issued
    when: {equals: {of: {column: What}, to: [out]}}
    occurred_at: {value: at}
    fields:
      item: {column: Item}
      site: {column: Site}
      quantity: {value: pieces}
      unit: {constant: EA}
  - family: inventory
    kind: adjusted
    when: {equals: {of: {column: What}, to: [fix]}}
    occurred_at: {value: at}
    fields:
      item: {column: Item}
      site: {column: Site}
      quantity: {value: pieces}
      unit: {constant: EA}
""".replace(b" &node", b"")

LOG = """No,When,Item,Site,What,Pieces
1,2026-03-01 08:00,BOLT,LYON,count,100
2,2026-03-02 09:00,BOLT,LYON,out,30
3,2026-03-03 09:00,BOLT,LYON,fix,-5
4,2026-03-02 09:00,GEAR,OSLO,count,0
5,2026-03-02 10:00,BOLT,LYON,out,0
6,2026-03-02 11:00,GEAR,OSLO,out,3
"""


def test_rows_become_facts_about_stock_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    mapped = list(mapped_rows(read_mapping("m.yaml", MAPPING), [path]))
    facts = [fact for row in mapped for fact in row.facts]
    assert [(fact.kind, getattr(fact, "quantity", None)) for fact in facts] == [
        ("counted", 100 * QUANTITY_ONE),
        ("issued", 30 * QUANTITY_ONE),
        ("adjusted", -5 * QUANTITY_ONE),
        ("counted", 0),
        ("issued", 3 * QUANTITY_ONE),
    ]
    assert all(isinstance(fact, InventoryFact) for fact in facts)
    (problem,) = mapped[4].problems
    assert "quantity is 0, expected more than 0" in str(problem)


def test_a_replay_says_how_each_node_stands(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    chain = network()
    nodes = (StockNode(item="BOLT", site="LYON", safety_stock=66 * QUANTITY_ONE),)
    chain = build(msgspec.structs.replace(chain.document, stock_nodes=nodes))
    rows = mapped_rows(read_mapping("m.yaml", MAPPING), [path])
    result = run_replay(rows, ReplayOptions(network=chain, settle_days=3))
    assert result.summary.stock_nodes == 2
    assert result.summary.stock_by_standing == {"low": 1, "short": 1}
    (short,) = (
        each for each in result.alerts if (each.cause_id, each.aspect) == ("GEAR@OSLO", "stock")
    )
    assert short.title == "Stock of GEAR at OSLO: 3 EA missing"
    assert result.summary.subjects_by_rule["shortage_projected"] == 1


def test_a_mapping_that_names_no_site_is_refused() -> None:
    text = MAPPING.replace(b"      site: {column: Site}\n", b"", 1)
    with pytest.raises(MappingError, match="site, which counted needs"):
        read_mapping("m.yaml", text)
