"""The money of an order line, as `order show` and `explain` print it."""

from __future__ import annotations

from rich.markup import escape

from streams.cli.display import Reader, money, words
from streams.cli.view_client import Answer

_AMOUNTS = ("invoiced", "credited", "authorised", "paid", "refunded", "open")


def payment_fields(reader: Reader, payment: Answer | None) -> tuple[tuple[str, str], ...]:
    """Whether it is paid for and free to go, the amounts that are not zero, and its numbers."""
    if payment is None:
        return ()
    currency = payment["currency"]
    amounts = (
        f"{name} {money([{'value_minor': payment[f'{name}_minor'], 'currency': currency}])}"
        for name in _AMOUNTS
        if payment[f"{name}_minor"]
    )
    stands = f"{words(payment['paid_for'])}, goods {words(payment['clearance'])}"
    return (
        ("paid for", f"{stands}: {escape(payment['why'])}"),
        ("money", ", ".join(amounts) if currency else ""),
        ("payment due", reader.time(payment["due_at"])),
        ("invoices", escape(", ".join(payment["invoices"]))),
        ("payments", escape(", ".join(payment["payments"]))),
    )
