"""What rules see of a line's money: what was asked for it, what was paid, what stands against it.

Part of the summary that the ledger of a line makes of its facts (`streams.stages.money`). Amounts
are in minor units of `LineMoney.currency`, the line's part of what was told; nothing in another
currency is ever added to them. Fields are only ever added at the end.
"""

from __future__ import annotations

import msgspec

from schemas.units import Day, Quantity, UtcMillis


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One fact about money, so that it can be named: who told what, of which number. The number is
    the key of a payment or an invoice, "" for neither.

    `value_minor` is the amount as it was told, which may be that of a whole invoice or order.
    """

    kind: str
    at: UtcMillis
    told_at: UtcMillis
    source: str
    event_id: str
    number: str = ""
    value_minor: int | None = None
    currency: str | None = None
    reason: str | None = None


class Invoice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The line's part of one invoice. The terms are those told last: `net_days` from `issued_at`,
    or a date, or a moment; none of them where nobody told any.

    `quantity` is None where nobody said how much, or units differ from each other.
    """

    number: str
    issued: Entry
    invoiced_minor: int
    credited_minor: int = 0
    paid_minor: int = 0
    quantity: Quantity | None = None
    unit: str | None = None
    price_minor: int | None = None
    price_per: Quantity | None = None
    net_days: int | None = None
    due_on: Day | None = None
    due_at: UtcMillis | None = None
    due_site: str | None = None

    @property
    def asked_minor(self) -> int:
        """What it asks for, less what was credited; never below zero."""
        return max(0, self.invoiced_minor - self.credited_minor)

    @property
    def open_minor(self) -> int:
        """What is still to be paid of it."""
        return max(0, self.asked_minor - self.paid_minor)


class LineMoney(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All that is known of the money of one order line.

    `covered_minor` is what was paid or is answered for. `held`, `failed` and `disputed` are what
    stands against it now: the last hold that was not released, the last failure after which nothing
    was authorised or paid, the last dispute that is not resolved. `paid_news` is the last payment.
    `twice` are two facts of which one is too many, when more was paid than asked. `uncounted` are
    facts whose amount cannot be counted: it is in another currency, or nobody knows how much of it
    is for this line.
    """

    currency: str | None = None
    invoiced_minor: int = 0
    credited_minor: int = 0
    authorised_minor: int = 0
    paid_minor: int = 0
    refunded_minor: int = 0
    covered_minor: int = 0
    invoices: tuple[Invoice, ...] = ()
    payments: tuple[str, ...] = ()
    paid_news: Entry | None = None
    held: Entry | None = None
    failed: Entry | None = None
    disputed: Entry | None = None
    twice: tuple[Entry, ...] = ()
    uncounted: tuple[Entry, ...] = ()
    last_news: Entry | None = None

    @property
    def asked_minor(self) -> int:
        """What all invoices ask for, less what was credited; never below zero."""
        return max(0, self.invoiced_minor - self.credited_minor)

    @property
    def kept_minor(self) -> int:
        """What was paid and did not go back."""
        return self.paid_minor - self.refunded_minor
