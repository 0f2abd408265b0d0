"""Money through all stages: numbers join in any order over several steps, amounts are shared, what
is ambiguous counts for nobody, and silence is neither paid nor unpaid."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import policy as policies
from alerts.policy import Policy
from alerts.terms import ACCOUNT_MANAGER
from schemas.facts import Fact, Heartbeat, OrderFact, PaymentFact
from schemas.payment_records import Clearance, PaidFor
from schemas.records import (
    Alert,
    AlertState,
    Notification,
    Unlinked,
    WaitingFacts,
    decode,
)
from schemas.units import DAY_MS, HOUR_MS
from streams.engine.clock import ManualClock
from streams.engine.local import LocalEngine
from streams.engine.observation import WorkerSettings
from streams.engine.worker import Worker
from tests.scenario import START
from tests.unit.engine.money import (
    AT,
    BOOKS,
    alive,
    payment,
    placed,
    received,
    run,
    status,
    told,
    with_books,
)

INVOICE = "SUP/I-1"
BY_SUPPLIER = {"supplier_ref": "SUP/SO-1", "supplier_line": "10"}


def policy_for(operations: str, manager: str) -> Policy:
    document = policies.DEFAULT.document
    pattern = document.recipients[0]
    people = (
        msgspec.structs.replace(pattern, id=operations),
        msgspec.structs.replace(pattern, id=manager, audience=ACCOUNT_MANAGER),
    )
    return policies.build(msgspec.structs.replace(document, recipients=people))


def unlinked(engine: LocalEngine) -> dict[str, Unlinked]:
    return {
        key.decode(): decode(value, Unlinked) for key, value in engine.latest("unlinked").items()
    }


def open_alerts(engine: LocalEngine) -> list[Alert]:
    alerts = [decode(value, Alert) for value in engine.latest("alerts").values()]
    return [alert for alert in alerts if alert.state is AlertState.OPEN]


def final(engine: LocalEngine) -> dict[str, object]:
    """The last word on lines and open alerts, without when it was said."""
    said: dict[str, object] = {}
    for topic in ("order-status", "alerts", "unlinked"):
        for key, value in engine.latest(topic).items():
            body = json.loads(value)
            for stamp in ("tick", "at", "revision", "updated_at", "opened_at", "episode", "since"):
                body.pop(stamp, None)
            if topic != "alerts" or body["state"] == "open":
                said[f"{topic} {key.decode()}"] = body
    return said


# payment → invoice → supplier's line → line: each step is known from another fact.
STEPS: tuple[Fact, ...] = (
    told("b1", "paid", payment_ref="BANK/P-1", value_minor=1_000, source="bank"),
    told("r1", "authorised", payment_ref="BANK/P-1", invoice_ref=INVOICE, value_minor=1_000),
    told("i1", "invoiced", invoice_ref=INVOICE, value_minor=1_000, quantity=100, **BY_SUPPLIER),
    placed("10")[1],
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_payment_finds_its_line_over_three_numbers_in_any_order(order: Sequence[int]) -> None:
    first, *_ = placed("10")
    engine = run([[first], *([STEPS[n]] for n in order), []])
    found = payment(engine, "10")
    assert (found.paid_minor, found.invoiced_minor, found.paid_for) == (1_000, 1_000, PaidFor.PAID)
    assert found.payments == ("BANK/P-1",)
    assert unlinked(engine) == {}
    assert final(engine) == final(run([[first], STEPS, [], [], [], []]))


def test_what_cannot_be_linked_waits_is_counted_and_joins_by_itself() -> None:
    engine = run([[STEPS[0]]])
    (waiting,) = unlinked(engine).values()
    assert (waiting.number, waiting.waiting) == ("payment:BANK/P-1", 1)
    assert (waiting.kinds, waiting.sources) == (("paid",), ("bank",))
    engine = run([[STEPS[1]]], engine=engine)
    assert set(unlinked(engine)) == {"invoice:SUP/I-1"}
    assert unlinked(engine)["invoice:SUP/I-1"].counts == (
        WaitingFacts(source="bank", kind="paid", facts=1),
        WaitingFacts(source=BOOKS, kind="authorised", facts=1),
    )
    engine = run([STEPS[2:]], engine=engine)
    assert unlinked(engine) == {}
    assert payment(engine, "10").paid_minor == 1_000


def invoiced(amounts: dict[str, int]) -> list[Fact]:
    return [
        told(f"i{line}", "invoiced", invoice_ref=INVOICE, of=line, value_minor=amount)
        for line, amount in amounts.items()
    ]


def test_a_payment_of_an_invoice_is_shared_over_its_lines_to_the_last_cent() -> None:
    amounts = {"10": 333, "20": 333, "30": 334}
    half = told("p1", "paid", invoice_ref=INVOICE, value_minor=501)
    engine = run([[*placed("10", "20", "30"), *invoiced(amounts)], [half]])
    shares = [payment(engine, line).paid_minor for line in amounts]
    assert sum(shares) == 501
    assert all(abs(share * 1_000 - 501 * amounts[line]) < 1_000 for line, share in zip(
        amounts, shares, strict=True))  # fmt: skip
    assert {payment(engine, line).paid_for for line in amounts} == {PaidFor.PARTLY_PAID}
    rest = told("p2", "paid", invoice_ref=INVOICE, value_minor=499)
    engine = run([[rest]], engine=engine)
    assert {line: payment(engine, line).paid_minor for line in amounts} == amounts
    assert {payment(engine, line).paid_for for line in amounts} == {PaidFor.PAID}


def test_a_line_that_joins_the_invoice_late_takes_its_share_from_the_others() -> None:
    paid = told("p1", "paid", invoice_ref=INVOICE, value_minor=900)
    one, two = invoiced({"10": 600}), invoiced({"20": 300})
    engine = run([[*placed("10", "20"), *one, paid]])
    assert payment(engine, "10").paid_minor == 900
    assert payment(engine, "10").paid_for is PaidFor.OVERPAID
    engine = run([two], engine=engine)
    assert [payment(engine, line).paid_minor for line in ("10", "20")] == [600, 300]
    assert not [alert for alert in open_alerts(engine) if "paid_over" in alert.rules]


def test_a_payment_of_an_order_is_shared_by_the_values_of_its_lines() -> None:
    first, second = placed("10", value_minor=600), placed("20", value_minor=300)
    paid = told("p1", "paid", order_ref="ACME/PO-1", value_minor=900)
    changed = OrderFact(
        "x1", "acme-erp", "changed", AT, AT, order_ref="ACME/PO-1", line="20", value_minor=100,
        currency="EUR",
    )  # fmt: skip
    engine = run([[paid], first, second])
    assert [payment(engine, line).paid_minor for line in ("10", "20")] == [600, 300]
    assert payment(engine, "10").paid_for is PaidFor.PAID
    engine = run([[changed, told("f1", "refunded", order_ref="ACME/PO-1", value_minor=200)]],
                 engine=engine)  # fmt: skip
    kept = [payment(engine, line) for line in ("10", "20")]
    assert sum(each.paid_minor - each.refunded_minor for each in kept) == 700
    assert [each.paid_for for each in kept] == [PaidFor.PAID, PaidFor.PAID]


def test_a_payment_of_several_invoices_is_not_guessed_and_counts_once_somebody_says_how() -> None:
    lines = [*placed("10", "20"), told("i1", "invoiced", invoice_ref="SUP/I-1", of="10",
             value_minor=600), told("i2", "invoiced", invoice_ref="SUP/I-2", of="20",
             value_minor=300)]  # fmt: skip
    paid = told("b1", "paid", payment_ref="BANK/P-1", value_minor=900, source="bank")
    ties = [
        told(f"t{n}", "resolved", payment_ref="BANK/P-1", invoice_ref=f"SUP/I-{n}") for n in (1, 2)
    ]
    ends = []
    for order in ([paid, ties[0], ties[1]], [ties[1], paid, ties[0]], [ties[0], ties[1], paid]):
        engine = run([lines, *([fact] for fact in order), []])
        assert [payment(engine, line).paid_minor for line in ("10", "20")] == [0, 0]
        (alert,) = [each for each in open_alerts(engine) if "payment_unclear" in each.rules]
        assert (alert.cause_kind, alert.cause_id) == ("payment", "BANK/P-1")
        ends.append(final(engine))
    assert ends[0] == ends[1] == ends[2]
    said = [
        told(f"a{n}", "authorised", payment_ref="BANK/P-1", invoice_ref=f"SUP/I-{n}",
             value_minor=amount)
        for n, amount in ((1, 600), (2, 300))
    ]  # fmt: skip
    engine = run([said], engine=engine)
    assert [payment(engine, line).paid_minor for line in ("10", "20")] == [600, 300]
    assert not [each for each in open_alerts(engine) if "payment_unclear" in each.rules]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_suppliers_line_that_means_two_lines_counts_for_neither(order: Sequence[int]) -> None:
    one, two = placed("10"), placed("20")
    wrong = OrderFact(
        "c20", "sup-erp", "confirmed", START, START, order_ref="ACME/PO-1", line="20",
        promised_on=20_600, **BY_SUPPLIER,
    )  # fmt: skip
    invoice = told("i1", "invoiced", invoice_ref=INVOICE, value_minor=1_000, quantity=100,
                   **BY_SUPPLIER)  # fmt: skip
    facts: list[Fact] = [one[1], wrong, invoice]
    engine = run([[one[0], two[0]], *([facts[n]] for n in order)])
    assert [status(engine, line).payment for line in ("10", "20")] == [None, None]
    (alert,) = [each for each in open_alerts(engine) if "reference_ambiguous" in each.rules]
    assert (alert.cause_kind, alert.cause_id, alert.consequence_count) == (
        "number",
        "SUP/SO-1#10",
        2,
    )
    said = " ".join(each.text for each in alert.consequences)
    assert "c10 of sup-erp" in said
    assert "c20 of sup-erp" in said


def story(seed: int) -> list[Fact]:
    """Facts about two invoices over three lines, good and bad, each at an hour of its own."""
    chance = random.Random(seed)
    facts: list[Fact] = [*placed("10", "20", "30", value_minor=5_000)]
    at = AT - 2 * DAY_MS
    for n, line in enumerate(("10", "20", "30", "10")):
        invoice = f"SUP/I-{n % 2}"
        names: dict[str, object] = {"of": line}
        if chance.random() < 0.4:
            names = {"supplier_ref": "SUP/SO-1", "supplier_line": line}
        at += HOUR_MS
        facts.append(told(f"i{n}", "invoiced", at, invoice_ref=invoice, quantity=50, net_days=1,
                          value_minor=chance.randrange(1, 9_999), **names))  # fmt: skip
    for n in range(chance.randrange(2, 9)):
        at += HOUR_MS
        kind = chance.choice(
            ["paid", "paid", "authorised", "failed", "refunded", "credited", "held", "released",
             "disputed", "resolved"]
        )  # fmt: skip
        names = {"invoice_ref": f"SUP/I-{n % 2}"}
        if kind != "credited" and chance.random() < 0.5:
            names |= {"payment_ref": f"BANK/P-{chance.randrange(3)}"}
            if chance.random() < 0.5:
                del names["invoice_ref"]
        elif kind != "credited" and chance.random() < 0.3:
            names = {"order_ref": "ACME/PO-1"}
        if kind in {"paid", "authorised", "refunded", "credited"}:
            names["value_minor"] = chance.randrange(1, 9_999)
            names["currency"] = chance.choice(["EUR", "EUR", "EUR", "USD"])
        facts.append(told(f"p{n}", kind, at, source=chance.choice([BOOKS, "bank"]), **names))
    return facts


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_interleaving_duplicates_and_ticks_end_in_one_state(
    seed: int, chance: random.Random
) -> None:
    facts = story(seed)
    mixed = [*facts, *chance.sample(facts, len(facts) // 3)]
    chance.shuffle(mixed)
    cut = sorted(chance.randrange(len(mixed)) for _ in range(3))
    ticks = [mixed[a:b] for a, b in itertools.pairwise([0, *cut, len(mixed)])]
    once = run([facts, [], [], []])
    parts = run(ticks, partitions=3)
    assert final(once) == final(parts)
    lines = [status(once, line).payment for line in ("10", "20", "30")]
    asked = [each.invoiced_minor for each in lines if each is not None]
    by_line = {fact.line or fact.supplier_line: 0 for fact in facts if isinstance(fact, OrderFact)}
    for fact in facts:
        if isinstance(fact, PaymentFact) and fact.kind == "invoiced":
            by_line[fact.line or fact.supplier_line] += fact.value_minor or 0
    assert asked == [by_line[line] for line in ("10", "20", "30")]


def test_a_silent_source_of_money_is_blind_and_never_paid_or_unpaid() -> None:
    invoice = told("i1", "invoiced", invoice_ref=INVOICE, of="10", value_minor=1_000, quantity=100,
                   net_days=1)  # fmt: skip
    engine = LocalEngine(with_books())
    for fact in [*placed("10", "20"), received("10", AT), received("20", AT), invoice]:
        engine.send(fact)
    for fact in alive(AT):
        engine.send(fact)
    engine.tick(AT)
    assert payment(engine, "10").paid_for is PaidFor.UNPAID
    for day in range(1, 30):
        at = AT + day * DAY_MS
        for fact in alive(at, "sup-erp", "cargo-edi", "acme-erp"):
            engine.send(fact)
        engine.tick(at)
    assert payment(engine, "10").paid_for is PaidFor.BLIND
    assert payment(engine, "10").clearance is Clearance.BLIND
    assert payment(engine, "10").blind_feeds == (BOOKS,)
    assert {alert.cause_id for alert in open_alerts(engine)} == {BOOKS}
    for fact in alive(at + 1, BOOKS):
        engine.send(fact)
    engine.tick(at + 1)
    assert payment(engine, "10").paid_for is PaidFor.UNPAID
    rules = {rule for alert in open_alerts(engine) for rule in alert.rules}
    assert rules == {"unpaid_past_terms", "delivered_not_invoiced"}


def test_a_delivered_line_stays_until_its_money_is_settled() -> None:
    """The lateness horizon is two weeks; an invoice at sixty days, and its payment, still count."""
    engine = LocalEngine(with_books())
    for fact in [*placed("10"), received("10", AT)]:
        engine.send(fact)
    engine.tick(AT)
    for days, fact in (
        (60, told("i1", "invoiced", AT + 60 * DAY_MS, invoice_ref=INVOICE, of="10",
                  value_minor=1_000, quantity=100, net_days=30)),
        (120, told("p1", "paid", AT + 120 * DAY_MS, invoice_ref=INVOICE, value_minor=1_000)),
    ):  # fmt: skip
        engine.tick(AT + (days - 1) * DAY_MS)
        engine.send(fact)
        engine.tick(AT + days * DAY_MS)
    assert payment(engine, "10").paid_for is PaidFor.PAID
    engine.tick(AT + 135 * DAY_MS)
    engine.send(told("p2", "paid", AT, invoice_ref=INVOICE, value_minor=1))
    engine.tick(AT + 136 * DAY_MS)
    assert [letter for letter in engine.latest("dead-letters") if b"p2" in letter]


def test_an_account_manager_reads_of_no_money_but_their_accounts() -> None:
    """One payment stands for lines of two accounts; the notice of one names only its own."""
    engine = LocalEngine(with_books(), policy_for("operations", "am-nordics"))
    outside = [
        OrderFact("oz", "acme-erp", "placed", START, START, order_ref="OTHER/PO-9", line="1",
                  buyer="OTHER", supplier="SUP", item="BOLT", ship_from="LYON", ship_to="BERGEN",
                  quantity=1, unit="EA", requested_on=START // DAY_MS + 60),
        told("iz", "invoiced", invoice_ref="SUP/I-9", order_ref="OTHER/PO-9", line="1",
             value_minor=777_777),
        told("fz", "failed", payment_ref="BANK/P-1", invoice_ref="SUP/I-9"),
    ]  # fmt: skip
    inside = [
        *placed("10"), *invoiced({"10": 1_000}),
        told("f1", "failed", payment_ref="BANK/P-1", invoice_ref=INVOICE),
    ]  # fmt: skip
    later = [fact for fact in inside if not isinstance(fact, Heartbeat)]
    run([[*outside, *later], alive(AT + 50 * DAY_MS)], engine=engine)
    engine.tick(START + 56 * DAY_MS)
    (alert,) = [each for each in open_alerts(engine) if "held_for_payment" in each.rules]
    assert alert.consequence_count == 2
    notices = [
        decode(output.value, Notification)
        for output in engine.outputs("notifications")
        if output.value and output.key == b"am-nordics"
    ]
    assert notices
    for notice in notices:
        body = notice.alert.__repr__() + notice.text
        assert "OTHER" not in body
        assert "777" not in body


@pytest.mark.parametrize("seed", [1, 2])
def test_workers_that_die_and_restore_change_no_byte(seed: int) -> None:
    """Shares, conflicts and what waits are restored from the changelogs."""
    facts = story(seed)
    ticks = [facts[n::4] for n in range(4)]

    def drive(*, crashes: bool) -> list[tuple[str, bytes, bytes | None]]:
        chance = random.Random(seed)
        engine = LocalEngine(with_books(), partitions=2)

        def failpoint(moment: str) -> None:
            if crashes and moment == "before commit" and chance.random() < 0.1:
                raise InterruptedError

        def restart() -> None:
            made = WorkerSettings(
                "slipwatch", "local", runs_ticker=False, keys_per_chunk=2, facts_per_chunk=3,
                failpoint=failpoint,
            )  # fmt: skip
            while True:
                try:
                    engine.replace_worker(Worker(engine.log, made, ManualClock(START)))
                except InterruptedError:
                    continue
                return

        restart()
        for n, told_now in enumerate([*ticks, [], [], []]):
            for fact in told_now:
                engine.send(fact)
            engine.begin(AT + n * HOUR_MS)
            while True:
                try:
                    engine.settle()
                    break
                except InterruptedError:
                    restart()
            if crashes:
                restart()
        return sorted(
            (topic, each.key or b"", each.value)
            for topic in ("order-status", "alerts", "decisions", "notifications", "unlinked")
            for each in engine.outputs(topic)
        )

    assert drive(crashes=True) == drive(crashes=False)
