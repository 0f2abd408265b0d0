"""No leak: of a chain full of canaries each party finds those that the table gives it, no other."""

from __future__ import annotations

import base64
import json
import random
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from alerts.policy import DEFAULT, build, complete
from alerts.terms import Chase, Chasing, Document
from schemas.facts import Fact, line_id
from schemas.topics import partner_topic
from schemas.units import DAY_MS
from streams.door.links import read_link
from streams.door.pages import form_page, thanks_page
from streams.engine.clock import WallClock
from streams.engine.local import LocalEngine
from streams.engine.relay import partner_line
from streams.replay.audit import audit
from streams.webhooks.answer_links import AnswerLinks
from tests.hooks import drive, sender_of, signs_up
from tests.property.leaks import PARTY_COUNT, SITE_COUNT, TOKEN, World
from tests.receivers import Receiver, certificate, receiving
from tests.relays import KEY as RELAY_KEY
from tests.relays import raw, relay_of, repeats, settle
from topology.network import Network

FIELDS = {
    "buyer": {
        "standing", "reason", "order", "line", "item", "unit", "ordered", "confirmed", "cancelled",
        "requested_on", "requested_at", "promised_on", "promised_at", "expected_at", "shipped",
        "shipped_at", "delivered", "delivered_at",
    },
    "supplier": {
        "standing", "reason", "order", "line", "supplier_order", "item", "unit", "ordered",
        "confirmed", "cancelled", "requested_on", "requested_at", "promised_on", "promised_at",
        "expected_at", "shipped", "shipped_at", "delivered", "delivered_at", "awaits",
        "awaits_by", "asked",
    },
    "carrier": {
        "reason", "unit", "shipped", "shipped_at", "delivered", "delivered_at", "shipments",
    },
}  # fmt: skip
"""Who sees which field, as the table of docs/partners.md says."""

EXAMPLES, LINES_MAX = 60, 4
DOOR, LINK_KEYS = "https://door.example.com", (b"k" * 32,)
ASKING = build(
    complete(
        Document(
            chasing=Chasing(confirmation=Chase(hours=1), promise=Chase(hours=240, times_max=2))
        )
    )
)
"""Suppliers are asked early, so that many of the lines have a time for it."""
DEEDS = (
    *("confirm", "confirm", "pack", "pack", "move", "move", "eta", "deliver"),
    *("change", "source_anew", "hand_over", "exception", "invoice"),
)


def tell(world: World, chance: random.Random) -> Fact:
    """The next fact: of a new line, or of one that there is."""

    def party() -> int:
        return chance.randrange(PARTY_COUNT)

    site = chance.randrange(SITE_COUNT)
    if not world.lines or (len(world.lines) < LINES_MAX and chance.random() < 0.2):
        return world.place(party(), party(), site)
    line, deed = chance.choice(world.lines), chance.choice(DEEDS)
    if deed == "pack" or (deed in {"move", "eta", "deliver", "exception"} and not line.legs):
        return world.pack(line, party(), chance.random() < 0.5)
    if deed == "source_anew":
        return world.source_anew(line, party(), site)
    if deed == "change":
        return world.change(line)
    if deed == "invoice":
        return world.invoice(line)
    if deed == "confirm" or not line.legs:
        return world.confirm(line, chance.random() < 0.5)
    leg = chance.choice(line.legs)
    if deed == "hand_over":
        return world.hand_over(line, leg, party())
    if deed == "deliver":
        return world.deliver(line, leg)
    return world.move(line, leg, "departed" if deed == "move" else deed)


def scan(engine: LocalEngine, world: World, tally: Counter[str]) -> None:
    """Looks at every byte that was ever written to a party's topic."""
    for party in world.parties:
        if engine.log.partition_counts([partner_topic(party)])[partner_topic(party)]:
            tally["topics"] += 1
        for record in raw(engine.log, party):
            value = record.value() or b""
            text = b"\n".join((record.key() or b"", value)).decode()
            assert record.headers() in (None, [])
            found = TOKEN.findall(text)
            for token in found:
                if token.isdigit() and token not in world.canaries.seen_by:
                    continue  # a sum of quantities
                assert token in world.canaries.seen_by, f"{party} reads {token}, from nowhere"
                assert party in world.canaries.seen_by[token], f"{party} reads {token}: {text}"
            tally.update(records=1, canaries=len(found))
            tally.update(token[:3] for token in found if token[0].isalpha())
            if value:
                said = json.loads(value)
                allowed = set[str]().union(*(FIELDS[role] for role in said["roles"]))
                assert said.keys() - {"roles"} <= allowed, text
                if "awaits" in said:
                    assert {"awaits_by", "asked"} <= said.keys()
                    tally.update([f"asked for {said['awaits']}"])
                tally.update(fields=len(said), **{f"as {role}": 1 for role in said["roles"]})
        assert list(repeats(engine.log, party)) == []


def scan_text(text: str, party: str, world: World) -> int:
    """How many canaries are in the text, each of which the party may see."""
    found = 0
    for token in TOKEN.findall(text):
        if token.isdigit() and token not in world.canaries.seen_by:
            continue  # a sum of quantities, or the time of the attempt
        assert party in world.canaries.seen_by.get(token, ()), f"{party} is sent {token}"
        found += 1
    return found


def scan_link(said: dict[str, Any], party: str, world: World) -> None:
    """Looks at a link without its key, then opens it and looks at the page behind it."""
    text = said["answer_url"].removeprefix(f"{DOOR}/answer/")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")
    assert scan_text(raw, party, world) == 0
    assert not any(each in raw or each in text for each in (*world.parties, said["id"]))
    link = read_link(text, LINK_KEYS, WallClock().now())
    line = line_id(link.order_ref, link.line)
    assert link.party == party
    assert partner_line(RELAY_KEY, party, line).decode() == said["id"]
    (known,) = [each for each in world.lines if line == line_id(each.order_ref, each.number)]
    assert party in known.suppliers
    for page in (form_page(link, "f" * 24, [(None, "no")]), thanks_page(link)):
        shown = page.replace(f"You answer as {party}.", "")
        assert scan_text(shown, party, world) > 0
        assert not any(each in shown for each in world.parties)


def scan_hooks(receivers: list[Receiver], world: World, tally: Counter[str]) -> None:
    """Looks at every byte of every request that a party's address was sent, headers included."""
    for party, receiver in zip(world.parties, receivers, strict=True):
        for request in receiver.requests:
            said = request.said
            text = request.raw.decode().replace(said["timestamp"], "")
            tally["hook canaries"] += scan_text(text, party, world)
            allowed = set[str]().union(*(FIELDS[role] for role in said["data"].get("roles", ())))
            assert ("answer_url" in said["data"]) == ("awaits" in said["data"])
            if "answer_url" in said["data"]:
                scan_link(said["data"], party, world)
                allowed.add("answer_url")
                tally["hook links"] += 1
            assert said["data"].keys() - {"id", "roles"} <= allowed, text
            tally["hook requests"] += 1
        receiver.requests.clear()


def tell_hooks(engine: LocalEngine, world: World, receivers: list[Receiver], ca: Path) -> None:
    """Registers every party, and has its address told all that stands."""
    for number, (party, receiver) in enumerate(zip(world.parties, receivers, strict=True)):
        signs_up(engine.log, party, receiver.url(), f"{number:032x}")
    links = AnswerLinks(DOOR, lambda: LINK_KEYS, pytest.fail)
    sender = sender_of(engine, ca, answer_links=links)
    drive(sender, lambda: (sender.status().state, sender.status().owed) == ("running", 0))


def test_no_party_finds_what_is_not_its_own(tmp_path: Path) -> None:
    tally: Counter[str] = Counter()
    tls = certificate(tmp_path)

    @settings(max_examples=EXAMPLES, deadline=None, phases=(Phase.explicit, Phase.generate))
    @given(st.integers(0, 2**32))
    def holds(seed: int) -> None:
        chance, world = random.Random(seed), World()

        def network() -> Network:
            return world.network(chance.sample(range(PARTY_COUNT), chance.randint(2, PARTY_COUNT)))

        engine = LocalEngine(network(), policy=chance.choice((ASKING, DEFAULT)))
        relay = relay_of(engine)
        is_sent = tally["chains"] % 6 == 0
        for _ in range(chance.randint(1, 5)):
            for _ in range(chance.randint(1, 12)):
                engine.send(tell(world, chance))
            engine.tick(world.now + 1)
            settle(relay)
            if is_sent and chance.random() < 0.3:
                tell_hooks(engine, world, receivers, tls[1])
            if chance.random() < 0.3:
                engine.publish_network(network())
        # Later, by time alone: overdue, late, and then everything is taken back.
        engine.publish_network(world.network(range(PARTY_COUNT)))
        for later in (1, 50 * DAY_MS, 4_000 * DAY_MS):
            engine.tick(world.now + later)
            settle(relay)
            if is_sent:
                tell_hooks(engine, world, receivers, tls[1])
        scan(engine, world, tally)
        scan_hooks(receivers, world, tally)
        tally.update(
            chains=1, lines=len(world.lines), facts=world.facts, told=len(world.canaries.seen_by)
        )
        if tally["chains"] % 10 == 0:
            engine.close()
            assert audit(engine.log).difference_count == 0

    with ExitStack() as opened:
        receivers = [opened.enter_context(receiving(*tls)) for _ in range(PARTY_COUNT)]
        holds()
    sys.stdout.write(f"{dict(sorted(tally.items()))}\n")
    # Whoever looks in vain proves nothing: each kind of value was found by somebody.
    for kind in (
        "ORD",
        "LIN",
        "ITM",
        "SUP",
        "SHI",
        "CON",
        "as buyer",
        "as supplier",
        "as carrier",
        "asked for confirmation",
        "asked for new_date",
    ):
        assert tally[kind] > 0, f"no {kind} was ever seen"
    assert tally["hook requests"] > 100
    assert tally["hook canaries"] > 300
    assert tally["hook links"] > 5
    for kind in ("PTY", "FED", "SIT", "NAM", "EVT"):
        assert tally[kind] == 0
