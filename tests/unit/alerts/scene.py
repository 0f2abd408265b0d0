"""A small chain, and lines written the short way, for the tests of alerts.

The chain: Volta's plant in Shanghai ships by sea to ACME's warehouse in Oslo (open until 16:00 on
weekdays), by way of Rotterdam. Volta, its books and the carrier give heartbeats; the warehouse
reports each night at 02:00 and gives none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from alerts.context import LineContext
from alerts.lines import (
    FeedState,
    Happened,
    Leg,
    LineSummary,
    OddUnit,
    Quarantined,
    Schedule,
    Tie,
    Told,
)
from alerts.money import LineMoney
from alerts.policy import DEFAULT, Policy, build, complete
from alerts.terms import Document, Override, RuleSettings
from schemas.facts import Family, PaymentFact
from schemas.records import Severity
from schemas.references import NumberTarget, references
from schemas.shares import Share
from schemas.units import DAY_MS, HOUR_MS, UtcMillis, day, millis, quantity
from streams.stages.legs import canonical
from streams.stages.money import money_of
from topology import model
from topology.network import Network
from topology.network import build as build_network

BOTH = (Family.ORDERS, Family.SHIPMENTS)


def network(*more_feeds: model.Feed) -> Network:
    """The chain."""
    return build_network(
        model.Document(
            calendars=(model.Calendar(id="weekdays"),),
            parties=(
                model.Party(id="ACME", name="Acme", kind=model.PartyKind.MANUFACTURER),
                model.Party(
                    id="VOLTA",
                    name="Volta Cells",
                    kind=model.PartyKind.SUPPLIER,
                    subscribed=True,
                ),
                model.Party(id="KESTREL", name="Kestrel Lines", kind=model.PartyKind.CARRIER),
            ),
            sites=(
                model.Site(
                    id="SHANGHAI", party="VOLTA", kind=model.SiteKind.PLANT, zone="Asia/Shanghai"
                ),
                model.Site(
                    id="ROTTERDAM",
                    party="KESTREL",
                    name="Port of Rotterdam",
                    kind=model.SiteKind.PORT,
                    zone="Europe/Amsterdam",
                ),
                model.Site(
                    id="OSLO",
                    party="ACME",
                    kind=model.SiteKind.WAREHOUSE,
                    zone="Europe/Oslo",
                    calendar="weekdays",
                    receiving_closes_minutes=16 * 60,
                    region="NORDICS",
                ),
            ),
            items=(model.Item(id="CELL", base_unit="EA", value_minor=250, currency="EUR"),),
            lanes=(
                _lane("SEA", "SHANGHAI", "OSLO", 20, 25, 30),
                _lane("LAST", "ROTTERDAM", "OSLO", 3, 4, 5),
            ),
            accounts=(
                model.Account(id="NORTH", account_manager="freya"),
                model.Account(id="OSLO-STORES", parent="NORTH", sites=("OSLO",)),
            ),
            feeds=(
                model.Feed(
                    id="volta-erp",
                    party="VOLTA",
                    families=BOTH,
                    every_ms=HOUR_MS,
                    grace_ms=HOUR_MS,
                    heartbeats=True,
                ),
                model.Feed(
                    id="kestrel",
                    party="KESTREL",
                    families=(Family.SHIPMENTS,),
                    every_ms=4 * HOUR_MS,
                    heartbeats=True,
                ),
                model.Feed(
                    id="oslo-nightly",
                    party="ACME",
                    sites=("OSLO",),
                    families=BOTH,
                    daily_at_minutes=120,
                    zone="Europe/Oslo",
                    grace_ms=2 * HOUR_MS,
                ),
                model.Feed(
                    id="volta-books",
                    party="VOLTA",
                    families=(Family.PAYMENTS,),
                    every_ms=DAY_MS,
                    heartbeats=True,
                ),
                *more_feeds,
            ),
        )
    )


def _lane(lane: str, origin: str, destination: str, p50: int, p80: int, p95: int) -> model.Lane:
    return model.Lane(
        id=lane,
        origin=origin,
        destination=destination,
        mode=model.Mode.SEA,
        lead_time_p50_ms=p50 * DAY_MS,
        lead_time_p80_ms=p80 * DAY_MS,
        lead_time_p95_ms=p95 * DAY_MS,
    )


NETWORK = network()


def moment(text: str) -> UtcMillis:
    """`2026-03-02 08:00` in UTC."""
    return millis(datetime.fromisoformat(text).replace(tzinfo=UTC))


START_AT = moment("2026-03-01 08:00")


def on(text: str) -> int:
    """The day of `2026-03-02`."""
    return day(date.fromisoformat(text))


def told(text: str | None, source: str = "volta-erp") -> Told | None:
    """A date, `2026-05-04`, or a moment, `2026-05-04 10:00`."""
    if text is None:
        return None
    at = moment("2026-03-01 08:00")
    if " " in text:
        return Told(None, moment(text), source, at, at)
    return Told(on(text), None, source, at, at)


def happened(text: str | None, source: str) -> Happened | None:
    """`2026-03-02 08:00`, then perhaps `@SITE` and `!REASON`."""
    if text is None:
        return None
    rest, _, reason = text.partition(" !")
    rest, _, site = rest.partition(" @")
    at = moment(rest)
    return Happened(at, site or None, source, at, reason or None)


def amount(value: Any) -> int:
    return quantity(Decimal(str(value)))


def leg(fields: Mapping[str, Any]) -> Leg:
    """One shipment; `shipment`, `carrier`, then what happened to it. The last news follow."""
    source = fields.get("source", "kestrel")
    events = {
        name: happened(fields.get(name), source)
        for name in ("packed_at", "departed", "arrived", "exception", "delivered", "held_up")
    }
    news = [each for each in events.values() if each is not None]
    delivered = fields.get("delivered_quantity")
    packed = fields.get("packed")
    return Leg(
        shipment=fields.get("shipment", "KESTREL/77"),
        carrier=fields.get("carrier", "KESTREL"),
        packed=None if packed is None else amount(packed),
        packed_news=events["packed_at"],
        departed=events["departed"],
        arrived=events["arrived"],
        eta=told(fields.get("eta"), source),
        exception=events["exception"],
        delivered=events["delivered"],
        delivered_quantity=None if delivered is None else amount(delivered),
        short=amount(fields.get("short", 0)),
        over=amount(fields.get("over", 0)),
        damaged=amount(fields.get("damaged", 0)),
        last_news=max(news, key=lambda each: each.at) if news else None,
        held_up=events["held_up"] or events["exception"],
    )


def line(fields: Mapping[str, Any] | None = None) -> LineSummary:
    """Line 10 of order ACME/4711: 100 cells, placed on Sunday, 1 March 2026. `promise` confirms."""
    given = dict(fields or {})
    legs = tuple(sorted((leg(each) for each in given.get("legs", ())), key=lambda x: x.shipment))
    promise = given.get("promise")
    first = told(given.get("first_promise", promise))
    last = told(promise)
    ordered = amount(given.get("ordered", 100))
    confirmed = amount(given.get("confirmed", given.get("ordered", 100) if promise else 0))
    schedules = tuple(
        Schedule(number, amount(each["quantity"]), _known(told(each["promise"])))
        for number, each in enumerate(given.get("schedules", ()), start=1)
    )
    if schedules:
        last = max((each.promise for each in schedules), key=lambda each: each.on or 0)
        first, confirmed = first or last, sum(each.quantity or 0 for each in schedules)
    return LineSummary(
        line_id=given.get("line_id", "ACME/4711#10"),
        order_ref=given.get("line_id", "ACME/4711#10").partition("#")[0],
        line="10",
        buyer=given.get("buyer", "ACME"),
        supplier=given.get("supplier", "VOLTA"),
        item=given.get("item", "CELL"),
        ship_from=given.get("ship_from", "SHANGHAI"),
        ship_to=given.get("ship_to", "OSLO"),
        unit="EA",
        value_minor=given.get("value_minor", 1_000_000),
        currency="EUR" if given.get("value_minor", 1) else None,
        ordered=ordered,
        valued=None if "valued" not in given else amount(given["valued"]),
        confirmed=confirmed,
        delivered=sum(each.delivered_quantity or 0 for each in legs),
        damaged=sum(each.damaged for each in legs),
        short=sum(each.short for each in legs),
        over=sum(each.over for each in legs),
        cancelled=amount(given.get("cancelled", 0)),
        requested=told(given.get("requested"), "acme-erp"),
        first_confirmed=first,
        last_confirmed=last,
        schedules=schedules,
        promise_count=given.get("promise_count", 2 if first != last else int(bool(last))),
        placed=happened(given.get("placed", "2026-03-01 08:00"), "acme-erp"),
        confirmed_news=happened("2026-03-01 12:00", "volta-erp") if last else None,
        rejected=happened(given.get("rejected"), "volta-erp"),
        cancelled_news=happened(given.get("cancelled_at"), "acme-erp"),
        closed=happened(given.get("closed"), given.get("closed_by", "acme-erp")),
        taken_over=happened(given.get("taken_over"), "acme-erp"),
        legs=legs,
        returned=amount(given.get("returned", 0)),
        sources=("acme-erp", "kestrel", "volta-erp"),
        money=money(
            given.get("money", ()),
            given.get("value_minor", 1_000_000),
            "EUR" if given.get("value_minor", 1) else None,
        ),
        ties=tuple(
            Tie(each["number"], tuple(each["others"]), each["source"], each["event"], each["count"])
            for each in given.get("ties", ())
        ),
        odd_units=tuple(
            OddUnit(each["kind"], each["event"], each["source"], each["unit"])
            for each in given.get("odd_units", ())
        ),
    )


def money(
    facts: Iterable[Mapping[str, Any]], value_minor: int | None, currency: str | None
) -> LineMoney | None:
    """The money of the line by these facts, as its ledger sums them up. A fact is told of the line
    in euros by Volta's books; with `all: true` of a whole invoice or order that has no other line,
    with `all: unknown` of one of which nobody knows how to share."""
    told = sorted((_payment(each, n) for n, each in enumerate(facts)), key=canonical)
    shares = []
    for each, given in zip(told, sorted(facts, key=lambda x: str(x["at"])), strict=True):
        subject = references(each).subject
        if isinstance(subject, NumberTarget):
            total = 0 if given["all"] == "unknown" else 1
            shares.append(Share(subject.number, "LACME/4711#10", 0, total, total))
    return money_of(told, sorted(set(shares)), value_minor, currency)


def _payment(given: Mapping[str, Any], n: int) -> PaymentFact:
    fields: dict[str, Any] = dict(given)
    at = moment(fields.pop("at"))
    if not fields.pop("all", False):
        fields |= {"order_ref": "ACME/4711", "line": "10"}
    if "value_minor" in fields:
        fields.setdefault("currency", "EUR")
    for name in ("quantity", "price_per"):
        if name in fields:
            fields[name] = amount(fields[name])
    if "quantity" in fields or "price_minor" in fields:
        fields.setdefault("unit", "EA")
    if "due_on" in fields:
        fields["due_on"] = on(fields["due_on"])
    source, kind = fields.pop("source", "volta-books"), fields.pop("kind")
    return PaymentFact(fields.pop("event", f"m{n}"), source, kind, at, at, **fields)


def _known(value: Told | None) -> Told:
    assert value is not None
    return value


def feeds(now: UtcMillis, given: Mapping[str, Any] | None = None) -> dict[str, FeedState]:
    """All sources awake and complete up to `now`, but for what is given of them."""
    names = ("volta-erp", "kestrel", "oslo-nightly", "volta-books")
    states = {name: FeedState(name, now, now) for name in names}
    for name, fields in (given or {}).items():
        if fields == "never heard":
            del states[name]
            continue
        complete_to = fields.get("complete_to")
        blind_since = fields.get("blind_since")
        states[name] = FeedState(
            name,
            moment(fields["heard_at"]) if "heard_at" in fields else now,
            moment(complete_to) if complete_to else None,
            tuple((family, moment(at)) for family, at in fields.get("families", {}).items()),
            moment(blind_since) if blind_since else None,
            fields.get("learned_hours"),
            _quarantined(fields.get("quarantined")),
        )
    return states


def _quarantined(fields: Mapping[str, Any] | None) -> Quarantined | None:
    if fields is None:
        return None
    return Quarantined(moment(fields["since"]), fields["refused"], fields["records"])


def policy(rule: str, settings: Mapping[str, Any] | None) -> Policy:
    """The default policy with other settings of one rule; `override` holds them for a place."""
    given = dict(settings or {})
    override = given.pop("override", None)
    overrides: tuple[Override, ...] = ()
    if override is not None:
        inner = dict(override)
        place = {name: inner.pop(name) for name in ("site", "account") if name in inner}
        until = on(inner.pop("until"))
        overrides = (
            Override(**place, until=until, reason="test", rules=(rule_settings(rule, inner),)),
        )
    return build(
        complete(
            Document(
                rules=(rule_settings(rule, given),),
                overrides=overrides,
                recipients=DEFAULT.document.recipients,
            )
        )
    )


def rule_settings(rule: str, given: Mapping[str, Any]) -> RuleSettings:
    values = dict(given)
    severity = values.pop("severity", None)
    return RuleSettings(
        rule=rule,
        enabled=values.pop("enabled", None),
        severity=Severity(severity) if severity else None,
        limits=tuple(values.items()),
    )


def context(
    summary: LineSummary,
    now: str | UtcMillis,
    states: Mapping[str, FeedState] | None = None,
    by: Policy = DEFAULT,
    held: tuple[str, ...] = (),
    complete_cut: bool = True,
) -> LineContext:
    """The line at that moment; without `states`, all sources are awake and complete."""
    at = moment(now) if isinstance(now, str) else now
    known = feeds(at) if states is None else states
    return LineContext(summary, NETWORK, by, at, known, held, complete_cut)
