"""From the payment facts of one line to its money.

Like `fold`, a function of the set of facts, in canonical order, and of the shares by which amounts
told of invoices and orders are shared over their lines. What several sources tell of one invoice or
payment is one invoice or payment: the source that tells most of it counts. A payment that has no
number is one for each fact that tells of it. A failure takes back what was told of the payment
before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from alerts.money import Entry, Invoice, LineMoney
from schemas.facts import PaymentFact
from schemas.references import NumberTarget, invoice_number, payment_number, references
from schemas.shares import Share, part_of

UNCOUNTED_MAX = 5
"""Facts that cannot be counted of which a line names so many; the rest changes nothing."""

_AMOUNTS = frozenset({"authorised", "paid", "refunded", "credited"})
LINE_SCOPE = ""
"""The scope of what was told of the line itself; others are keys of invoices and orders."""


def money_of(
    facts: Sequence[PaymentFact],
    shares: Sequence[Share],
    value_minor: int | None,
    currency: str | None,
) -> LineMoney | None:
    """The money of a line by its payment facts, in canonical order; None when there are none.

    `value_minor` and `currency` are those of the order: what it is worth until an invoice asks.
    """
    if not facts:
        return None
    used = _currency_of(facts, currency)
    foreign = [fact for fact in facts if fact.value_minor is not None and fact.currency != used]
    book = _Book(_by_number(shares))
    skipped = set(map(_event, foreign))
    for fact in facts:
        if _event(fact) not in skipped:
            book.take(fact)
    unsaid = [*foreign, *book.unshared()]
    invoices = _settled(book.invoices(), book)
    paid, refunded = book.total("paid"), book.total("refunded")
    asked = sum([each.asked_minor for each in invoices]) if invoices else None
    if asked is None and currency == used:
        asked = value_minor
    return LineMoney(
        currency=used,
        invoiced_minor=sum([each.invoiced_minor for each in invoices]),
        credited_minor=book.total("credited"),
        authorised_minor=book.total("authorised"),
        paid_minor=paid,
        refunded_minor=refunded,
        covered_minor=max(0, book.covered() - refunded),
        invoices=invoices,
        payments=tuple(sorted({fact.payment_ref for fact in facts if fact.payment_ref})),
        paid_news=_last(facts, "paid", skipped),
        held=_standing(facts, "held", ("released",)),
        failed=_standing(facts, "failed", ("authorised", "paid", "released")),
        disputed=_standing(facts, "disputed", ("resolved",)),
        twice=_twice(facts, skipped, asked, paid - refunded),
        uncounted=tuple(map(_entry, unsaid[:UNCOUNTED_MAX])),
        last_news=_entry(facts[-1]),
    )


def _currency_of(facts: Sequence[PaymentFact], ordered: str | None) -> str | None:
    """The currency of the first invoice, else of the order, else of the first amount."""
    asked = next((fact.currency for fact in facts if fact.kind == "invoiced"), None)
    return asked or ordered or next((fact.currency for fact in facts if fact.currency), None)


def _by_number(shares: Sequence[Share]) -> dict[str, list[Share]]:
    found: dict[str, list[Share]] = {}
    for share in shares:
        found.setdefault(share.number, []).append(share)
    return found


def _event(fact: PaymentFact) -> tuple[str, str]:
    return (fact.source, fact.event_id)


def _entry(fact: PaymentFact) -> Entry:
    return Entry(
        fact.kind,
        fact.occurred_at,
        fact.recorded_at,
        fact.source,
        fact.event_id,
        _number(fact),
        fact.value_minor,
        fact.currency,
        fact.reason,
    )


def _number(fact: PaymentFact) -> str:
    """The key of the payment, else of the invoice, that the fact names."""
    if fact.payment_ref is not None:
        return payment_number(fact.payment_ref)
    return invoice_number(fact.invoice_ref) if fact.invoice_ref is not None else ""


def _last(facts: Sequence[PaymentFact], kind: str, skipped: set[tuple[str, str]]) -> Entry | None:
    found = [fact for fact in facts if fact.kind == kind and _event(fact) not in skipped]
    return _entry(found[-1]) if found else None


def _standing(facts: Sequence[PaymentFact], kind: str, ends: tuple[str, ...]) -> Entry | None:
    """The last fact of the kind, if nothing that ends it came after."""
    found: PaymentFact | None = None
    for fact in facts:
        if fact.kind == kind:
            found = fact
        elif fact.kind in ends:
            found = None
    return None if found is None else _entry(found)


@dataclass(slots=True)
class _Sums:
    """What each source told of each payment (or invoice) within one scope, by kind."""

    by_source: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)

    def add(self, kind: str, scope: str, number: str, source: str, amount: int) -> None:
        sums = self.by_source.setdefault((kind, scope, number), {})
        sums[source] = sums.get(source, 0) + amount

    def take_back(self, kinds: Iterable[str], number: str) -> None:
        """Nothing of the payment came about."""
        for key in [each for each in self.by_source if each[0] in kinds and each[2] == number]:
            del self.by_source[key]

    def of(self, kind: str) -> dict[tuple[str, str], int]:
        """(scope, number) → the amount, by the source that tells most."""
        return {
            (scope, number): max(sums.values())
            for (each, scope, number), sums in self.by_source.items()
            if each == kind
        }


@dataclass(slots=True)
class _Book:
    """Adds up what was told, fact by fact in canonical order."""

    shares: Mapping[str, Sequence[Share]]
    sums: _Sums = field(default_factory=_Sums)
    invoiced: dict[str, list[PaymentFact]] = field(default_factory=dict)
    executed: dict[str, PaymentFact] = field(default_factory=dict)
    shared: list[tuple[str, PaymentFact]] = field(default_factory=list)

    def take(self, fact: PaymentFact) -> None:
        """One more fact."""
        number = fact.payment_ref or f"\x00{fact.source}\x00{fact.event_id}"
        if fact.kind == "invoiced":
            self.invoiced.setdefault(fact.invoice_ref or "", []).append(fact)
        elif fact.kind == "failed" and fact.payment_ref:
            self.sums.take_back(("authorised", "paid"), number)
            self.executed.pop(number, None)
        elif fact.kind in _AMOUNTS:
            if fact.value_minor is None:
                self.executed[number] = fact
                return
            scope = _scope(fact)
            if scope and scope != _line_invoice(fact):
                self.shared.append((scope, fact))
            self.sums.add(fact.kind, scope, number, fact.source, fact.value_minor)

    def unshared(self) -> list[PaymentFact]:
        """The facts whose amount is known to be shared, and by nobody how; and those of a payment
        that stands for several things of which nobody said how much is for which."""
        found = [
            fact for scope, fact in self.shared if part_of(1, self.shares.get(scope, ())) is None
        ]
        told = {number for kind in ("authorised", "paid") for _, number in self.sums.of(kind)}
        found += [fact for number, fact in self.executed.items() if number not in told]
        return found

    def _amounts(self, kind: str) -> dict[tuple[str, str], int]:
        """By (scope, payment). Who told only that a payment was made made what was authorised."""
        amounts = self.sums.of(kind)
        if kind == "paid":
            for (scope, number), amount in self.sums.of("authorised").items():
                if number in self.executed:
                    amounts[scope, number] = max(amounts.get((scope, number), 0), amount)
        return amounts

    def _parts(self, amounts: Mapping[tuple[str, str], int]) -> dict[str, int]:
        """By scope, the line's part: of the sum of all, so that roundings do not add up."""
        totals: dict[str, int] = {}
        for (scope, _), amount in amounts.items():
            totals[scope] = totals.get(scope, 0) + amount
        return {scope: self._part(scope, total) for scope, total in totals.items()}

    def _part(self, scope: str, amount: int) -> int:
        if not scope or scope.startswith(OWN):
            return amount
        return part_of(amount, self.shares.get(scope, ())) or 0

    def by_scope(self, kind: str) -> dict[str, int]:
        """The line's part of what was told of the kind, by scope."""
        return self._parts(self._amounts(kind))

    def total(self, kind: str) -> int:
        """The line's part of all that was told of the kind."""
        return sum(self.by_scope(kind).values())

    def covered(self) -> int:
        """What was paid, or is answered for by an authorisation that no payment has used up."""
        paid, authorised = self._amounts("paid"), self._amounts("authorised")
        keys = sorted(paid.keys() | authorised.keys())
        most = {key: max(paid.get(key, 0), authorised.get(key, 0)) for key in keys}
        return sum(self._parts(most).values())

    def invoices(self) -> list[Invoice]:
        """The line's part of each invoice, in the order in which they were issued."""
        credited = self.by_scope("credited")
        found = [
            _invoice(number, facts, _of_invoice(credited, number))
            for number, facts in self.invoiced.items()
        ]
        return sorted(found, key=lambda each: (each.issued.at, each.number))


OWN = "\x00"
"""Before the key of an invoice: what was told of this line's part of it, not to be shared."""


def _scope(fact: PaymentFact) -> str:
    """What an amount was told of: the line, the line's part of an invoice, or a number."""
    subject = references(fact).subject
    if isinstance(subject, NumberTarget) and fact.supplier_line is None:
        return subject.number
    return _line_invoice(fact) or LINE_SCOPE


def _line_invoice(fact: PaymentFact) -> str:
    return OWN + invoice_number(fact.invoice_ref) if fact.invoice_ref else ""


def _of_invoice(amounts: Mapping[str, int], number: str) -> int:
    """What was told of the invoice and of the line's part of it."""
    key = invoice_number(number)
    return amounts.get(key, 0) + amounts.get(OWN + key, 0)


def _invoice(number: str, facts: Sequence[PaymentFact], credited_minor: int) -> Invoice:
    by_source: dict[str, list[PaymentFact]] = {}
    for fact in facts:
        by_source.setdefault(fact.source, []).append(fact)
    told = max(
        (by_source[source] for source in sorted(by_source)),
        key=lambda each: sum(fact.value_minor or 0 for fact in each),
    )
    units = {fact.unit for fact in told}
    says_all = len(units) == 1 and all(fact.quantity is not None for fact in told)
    terms = [f for f in facts if (f.net_days, f.due_on, f.due_at) != (None, None, None)]
    last = terms[-1] if terms else told[-1]
    return Invoice(
        number=number,
        issued=_entry(last),
        invoiced_minor=sum([fact.value_minor or 0 for fact in told]),
        credited_minor=credited_minor,
        quantity=sum([fact.quantity or 0 for fact in told]) if says_all else None,
        unit=told[-1].unit,
        price_minor=told[-1].price_minor,
        price_per=told[-1].price_per,
        net_days=last.net_days,
        due_on=last.due_on,
        due_at=last.due_at,
        due_site=last.due_site,
    )


def _settled(invoices: Sequence[Invoice], book: _Book) -> tuple[Invoice, ...]:
    """The invoices with what was paid of each. What was paid of the order or line alone, or on
    account, pays them in the order in which they were issued."""
    paid, refunded = book.by_scope("paid"), book.by_scope("refunded")
    known = {each.number for each in invoices}
    named = {key for number in known for key in _keys(number)}
    pool = sum([amount for scope, amount in paid.items() if scope not in named])
    pool -= sum([amount for scope, amount in refunded.items() if scope not in named])
    settled: list[Invoice] = []
    for each in invoices:
        kept = _of_invoice(paid, each.number) - _of_invoice(refunded, each.number)
        amount = max(0, kept)
        taken = min(max(0, pool), max(0, each.asked_minor - amount))
        pool -= taken
        settled.append(msgspec.structs.replace(each, paid_minor=amount + taken))
    return tuple(settled)


def _keys(number: str) -> tuple[str, str]:
    key = invoice_number(number)
    return key, OWN + key


def _twice(
    facts: Sequence[PaymentFact],
    skipped: set[tuple[str, str]],
    asked: int | None,
    kept: int,
) -> tuple[Entry, ...]:
    """Two facts of which one is too many: two payments of one amount, else the last two, else the
    payment and the invoice that asks for less."""
    if asked is None or kept <= asked:
        return ()
    paid = [
        fact
        for fact in facts
        if fact.kind == "paid" and fact.value_minor and _event(fact) not in skipped
    ]
    for at, fact in reversed(list(enumerate(paid))):
        for other in paid[:at]:
            if other.value_minor == fact.value_minor and _differ(other, fact):
                return _entry(other), _entry(fact)
    if len(paid) > 1:
        return _entry(paid[-2]), _entry(paid[-1])
    asks = [fact for fact in facts if fact.kind in {"invoiced", "credited"}]
    return tuple([_entry(fact) for fact in (*asks[-1:], *paid)])


def _differ(one: PaymentFact, other: PaymentFact) -> bool:
    """Whether they are two payments: not one that two sources tell of."""
    return one.payment_ref != other.payment_ref or one.source == other.source
