"""Whose line it is: what a partner says counts only of a line that is its own.

What comes from a partner's door (`schemas.partner_sources`) is believed where the partner is the
buyer, the supplier or a carrier of the line and its role may say so (`FACT_KINDS`). Who is what is
said by sources of our own and by the buyer, whose number names the line; a supplier may name
carriers. Parties are only ever added, so that the answer is the same in whatever order the facts
came: the least set in which every fact that counts names its parties. What a supplier promises,
refuses or closes counts as long as the line is its own: not from where, in canonical order, the
line was given to another. What it shipped was shipped.

What does not count is set aside and waits: for the line to be known as long as a number waits for
its lines, then `ownership_days` for word that it is the partner's own. Then it is a dead letter.
Until it counts it teaches no number anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from schemas.codec import unpack
from schemas.facts import Fact, InventoryFact, OrderFact, PaymentFact, ShipmentFact, split_line_id
from schemas.kinds import FACT_KINDS, Role
from schemas.ledger import Aside, LineFacts
from schemas.partner_sources import PARTNER_MARK, partner_of
from schemas.records import Unlinked, WaitingFacts
from schemas.references import LineTarget, Link, number_owner, owner_of, references
from schemas.units import DAY_MS, UtcMillis, instant
from streams.stages.fold import STATING
from streams.stages.legs import canonical
from streams.stages.links import refuse
from streams.stages.passing import taught
from streams.stages.stage import Outputs, TickContext
from topology.network import Network

NOT_OWN_LINE = "not_own_line"
NOT_OWN_SITE = "not_own_site"

Told = tuple[Fact, bytes]
"""A fact and its pack."""

_SAID_BY: dict[str, tuple[Role, ...]] = {kind.name: kind.said_by for kind in FACT_KINDS}


class _Parties:
    """Who is what to one line, as far as it is said by those who may say it."""

    def __init__(self, line_id: str) -> None:
        order_ref, _ = split_line_id(line_id)
        self.of_role: dict[Role, set[str]] = {
            Role.BUYER: {owner_of(order_ref)},
            Role.SUPPLIER: set(),
            Role.CARRIER: set(),
        }

    @property
    def count(self) -> int:
        """How many are named."""
        return sum(len(parties) for parties in self.of_role.values())

    def may_say(self, party: str, kind: str) -> bool:
        """Whether the party has a role that says this."""
        return any(party in self.of_role[role] for role in _SAID_BY[kind])

    def learn(self, fact: Fact) -> None:
        """Those that the fact names, so far as who tells it may name them."""
        party = partner_of(fact.source)
        names_all = party is None or _says_as_buyer(fact, self.of_role[Role.BUYER])
        if isinstance(fact, OrderFact) and names_all:
            self._add(Role.BUYER, fact.buyer)
            self._add(Role.SUPPLIER, fact.supplier)
        elif isinstance(fact, ShipmentFact) and (names_all or party in self.of_role[Role.SUPPLIER]):
            self._add(Role.CARRIER, fact.carrier)

    def _add(self, role: Role, party: str | None) -> None:
        if party is not None:
            self.of_role[role].add(party)


def split(line_id: str, facts: Sequence[Told]) -> tuple[list[Told], list[Told]]:
    """The facts that count, and those of partners whose line this is not, as far as is known."""
    parties = _Parties(line_id)
    while True:
        named = parties.count
        own: list[Told] = []
        others: list[Told] = []
        for told in facts:
            party = partner_of(told[0].source)
            counts = party is None or parties.may_say(party, told[0].kind)
            (own if counts else others).append(told)
        for fact, _ in own:
            parties.learn(fact)
        if parties.count == named:
            break
    if not any(_answers(fact) for fact, _ in own):
        return own, others
    former = _told_by_former([fact for fact, _ in own], parties.of_role[Role.BUYER])
    others += [told for told in own if _event(told[0]) in former]
    return [told for told in own if _event(told[0]) not in former], others


def _event(fact: Fact) -> tuple[str, str]:
    return fact.source, fact.event_id


def _answers(fact: Fact) -> bool:
    """Whether a partner says what only the supplier of that moment can say."""
    speaks = isinstance(fact, OrderFact) and Role.SUPPLIER in _SAID_BY[fact.kind]
    return speaks and partner_of(fact.source) is not None


def _says_as_buyer(fact: Fact, buyers: Collection[str]) -> bool:
    """Whether a partner that is a buyer of the line says what a buyer may say."""
    return partner_of(fact.source) in buyers and Role.BUYER in _SAID_BY[fact.kind]


def _told_by_former(facts: Iterable[Fact], buyers: Collection[str]) -> set[tuple[str, str]]:
    """What partners answered, of facts that count otherwise, after the line had been given to
    another. Who has it is said by buyers and sources of our own, and no answer says it, so that
    nothing hangs on itself."""
    former: set[str] = set()
    held_by: str | None = None
    found: set[tuple[str, str]] = set()
    for fact in sorted(facts, key=canonical):
        if not isinstance(fact, OrderFact):
            continue
        party = partner_of(fact.source)
        if party in former and _answers(fact) and not _says_as_buyer(fact, buyers):
            found.add(_event(fact))
        elif fact.supplier is not None and (fact.kind in STATING or held_by is None):
            if held_by is not None:
                former.add(held_by)
            held_by = fact.supplier
            former.discard(held_by)
    return found


def has_partners(facts: Iterable[Told]) -> bool:
    """Whether a partner tells any of them."""
    return any(fact.source.startswith(PARTNER_MARK) for fact, _ in facts)


def set_aside(
    line_id: str, old: LineFacts, facts: Sequence[Told], tick: TickContext, out: Outputs
) -> tuple[list[Told], tuple[Aside, ...]]:
    """The facts that count, in canonical order, and those that wait. What counts for the first
    time teaches its numbers; what has waited long enough is refused."""
    own, others = split(line_id, facts)
    own.sort(key=lambda told: canonical(told[0]))
    known = frozenset(old.facts)
    for fact, body in own:
        party = partner_of(fact.source)
        if party is not None and body not in known:
            for link in _teachable(fact, party):
                out.row("links-rows", tick.n + 1, link.number, taught(fact, link))
    since = {each.body: each.since for each in old.aside} if bool(own) == bool(old.facts) else {}
    waits_ms = _waits_ms(bool(own), tick)
    waiting = []
    for fact, body in others:
        began = since.get(body, tick.at)
        if tick.header.complete and began + waits_ms <= tick.at:
            _refuse(line_id, fact, body, bool(own), tick, out)
        else:
            waiting.append(Aside(body, began))
    aside = tuple(sorted(waiting, key=lambda each: each.body))
    _say_what_waits(line_id, old, aside, bool(own), tick, out)
    return own, aside


def _waits_ms(is_known: bool, tick: TickContext) -> int:
    policy = tick.policy
    return (policy.ownership_days if is_known else policy.link_retention_days) * DAY_MS


def next_due(aside: Sequence[Aside], is_known: bool, tick: TickContext) -> UtcMillis | None:
    """When the first of them has waited long enough; None if none waits."""
    return min([each.since + _waits_ms(is_known, tick) for each in aside], default=None)


def refuse_all(
    line_id: str, aside: Sequence[Aside], is_known: bool, tick: TickContext, out: Outputs
) -> None:
    """The line leaves, and what waits at it is refused."""
    for each in aside:
        _refuse(line_id, unpack(each.body), each.body, is_known, tick, out)


def _refuse(
    line_id: str, fact: Fact, body: bytes, is_known: bool, tick: TickContext, out: Outputs
) -> None:
    party = partner_of(fact.source)
    if not is_known:
        error = f"nothing was told of {line_id} by the buyer or a source of our own"
    else:
        roles = " or ".join(_SAID_BY[fact.kind])
        error = f"{party} tells {fact.kind!r} of {line_id}, and is not its {roles}"
    refuse(line_id, body, NOT_OWN_LINE if is_known else "unlinked", error, tick, out)


def _say_what_waits(
    line_id: str,
    old: LineFacts,
    aside: tuple[Aside, ...],
    is_known: bool,
    tick: TickContext,
    out: Outputs,
) -> None:
    """Facts that wait for a line that nobody knows stand beside the numbers that wait."""
    was_waiting = bool(old.aside) and not old.facts
    if not aside or is_known:
        if was_waiting:
            out.record("unlinked", line_id, None)
        return
    if was_waiting and aside == old.aside:
        return
    counts: dict[tuple[str, str], int] = {}
    for each in aside:
        fact = unpack(each.body)
        counts[fact.source, fact.kind] = counts.get((fact.source, fact.kind), 0) + 1
    record = Unlinked(
        number=line_id,
        waiting=len(aside),
        kinds=tuple(sorted({kind for _, kind in counts})),
        sources=tuple(sorted({source for source, _ in counts})),
        since=instant(min(each.since for each in aside)),
        tick=tick.n,
        counts=tuple(
            WaitingFacts(source=source, kind=kind, facts=count)
            for (source, kind), count in sorted(counts.items())
        ),
    )
    out.record("unlinked", line_id, record)


def _teachable(fact: Fact, party: str) -> Iterator[Link]:
    """What the fact of a partner may teach: the meaning of numbers that the partner issued, and of
    a carrier's number for its own line or shipment. Other numbers are not its to explain: tied to
    several lines they could take from others what is told of them."""
    if not isinstance(fact, OrderFact | ShipmentFact | PaymentFact):
        return
    for link in references(fact).links:
        is_carriers = link.number.startswith("carrier:") and (
            isinstance(link.target, LineTarget) or number_owner(link.target.number) == party
        )
        if is_carriers or number_owner(link.number) == party:
            yield link


def owns_sites(fact: InventoryFact, network: Network) -> bool:
    """Whether all sites that the fact names are the partner's who tells it; yes for a source of
    our own."""
    party = partner_of(fact.source)
    if party is None:
        return True
    sites = [name for name in (fact.site, fact.to_site, fact.from_site) if name is not None]
    found = [network.site(name) for name in sites]
    return all(site is not None and site.party == party for site in found)


def refuse_stock(
    key: str, fact: InventoryFact, body: bytes, tick: TickContext, out: Outputs
) -> None:
    """The dead letter of what a partner says of stock that is not its own."""
    error = f"{partner_of(fact.source)} tells {fact.kind!r} of sites that are not all its own"
    refuse(key, body, NOT_OWN_SITE, error, tick, out)
