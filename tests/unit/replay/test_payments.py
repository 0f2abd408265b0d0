"""A file of invoices and payments becomes facts about money, and these reach their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.facts import PaymentFact
from schemas.payment_records import PaidFor
from schemas.units import QUANTITY_ONE
from streams.replay.inputs import mapped_rows
from streams.replay.mapping_file import MappingError, read_mapping
from tests.unit.engine.money import BOOKS, payment, placed, run

HEAD = f"""
mapping: books
source: {BOOKS}
file: {{row_id: No}}
values:
  at: {{moment: {{of: {{column: At}}, formats: ["YYYY-MM-DD hh:mm"]}}}}
  is_payment: {{constant: x}}
facts:
"""
INVOICED = """
  - family: payments
    kind: invoiced
    when: {equals: {of: {column: What}, to: [invoice]}}
    occurred_at: {value: at}
    fields:
      invoice_ref: {text: "SUP/{Invoice}"}
      supplier_ref: {constant: SUP/SO-1}
      supplier_line: {column: Line}
      quantity: {quantity: {column: Pieces}}
      unit: {constant: EA}
      price: {money: {of: {column: Price}, currency: EUR}}
      value: {money: {of: {column: Amount}, currency: EUR}}
      net_days: {integer: {column: Days}}
"""
PAID = """
  - family: payments
    kind: paid
    when: {equals: {of: {column: What}, to: [payment]}}
    occurred_at: {value: at}
    fields:
      invoice_ref: {text: "SUP/{Invoice}"}
      value: {money: {of: {column: Amount}, currency: EUR}}
"""
ROWS = """No,What,At,Invoice,Line,Pieces,Price,Amount,Days
1,invoice,2026-01-07 10:00,I-1,10,100,0.05,5.00,30
2,invoice,2026-01-07 10:00,I-1,20,50,0.05,2.50,30
3,payment,2026-01-08 10:00,I-1,,,,7.50,
"""


def mapped(tmp_path: Path, text: str) -> list[PaymentFact]:
    path = tmp_path / "books.csv"
    path.write_text(ROWS, encoding="utf-8")
    rows = list(mapped_rows(read_mapping("m.yaml", (HEAD + text).encode()), [path]))
    assert [row.problems for row in rows] == [()] * len(rows)
    facts = [fact for row in rows for fact in row.facts]
    assert all(isinstance(fact, PaymentFact) for fact in facts)
    return [fact for fact in facts if isinstance(fact, PaymentFact)]


def test_rows_become_facts_about_money_and_reach_their_lines(tmp_path: Path) -> None:
    facts = mapped(tmp_path, INVOICED + PAID)
    first = facts[0]
    assert (first.price_minor, first.value_minor, first.currency) == (5, 500, "EUR")
    assert (first.quantity, first.net_days) == (100 * QUANTITY_ONE, 30)
    engine = run([[*placed("10", "20"), *facts], []])
    for line, amount in (("10", 500), ("20", 250)):
        found = payment(engine, line)
        assert (found.invoiced_minor, found.paid_minor, found.paid_for) == (
            amount, amount, PaidFor.PAID,
        )  # fmt: skip


def test_amounts_of_one_fact_in_two_currencies_reject_the_row(tmp_path: Path) -> None:
    path = tmp_path / "books.csv"
    path.write_text(ROWS, encoding="utf-8")
    mixed = INVOICED.replace(
        "{of: {column: Amount}, currency: EUR}", "{of: {column: Amount}, currency: USD}"
    )
    row = next(iter(mapped_rows(read_mapping("m.yaml", (HEAD + mixed).encode()), [path])))
    assert row.is_rejected
    assert "an amount in USD" in str(row.problems[0])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            PAID.replace("      value:", "      method: {constant: x}\n      #"),
            "the field value, which paid needs",
        ),
        (INVOICED.replace("      invoice_ref:", "      payment_ref:"), "what invoiced is about"),
        (PAID.replace("      invoice_ref:", "      method:"), "payment_ref or invoice_ref or"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_make_such_facts_is_refused(text: str, error: str) -> None:
    with pytest.raises(MappingError, match=error):
        read_mapping("m.yaml", (HEAD + text).encode())
