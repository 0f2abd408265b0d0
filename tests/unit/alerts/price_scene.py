"""Lines of one customer and their prices, for the tests of the rule that compares them.

The customer STORES buys at OSLO and BERGEN; STORES-WEST, a part of it, at BERGEN; NORTH groups it
with OTHER, who buys at MALMO. A case gives `line`, the one that is judged, and `others`, each as in
`scene.line`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from alerts.findings import RuleVerdict
from alerts.policy import Policy
from alerts.price_judgement import NO_LONGER_PRICED, judge_prices
from alerts.prices import priced
from alerts.texts import verdict_record
from schemas.records import Verdict
from tests.unit.alerts import scene
from topology import model
from topology.network import Network, build


def network() -> Network:
    """The chain of `scene` with more stores, and who they belong to."""
    document = scene.NETWORK.document
    stores = [
        model.Site(id=site, party=party, kind=model.SiteKind.STORE, zone="Europe/Oslo")
        for site, party in (("BERGEN", "ACME"), ("MALMO", "ACME"), ("HAVEN", "ACME"))
    ]
    return build(
        msgspec.structs.replace(
            document,
            sites=(*document.sites, *stores),
            accounts=(
                model.Account(id="NORTH", account_manager="freya"),
                model.Account(id="STORES", parent="NORTH", sites=("OSLO", "BERGEN")),
                model.Account(id="STORES-WEST", parent="STORES", sites=("BERGEN",)),
                model.Account(id="OTHER", parent="NORTH", sites=("MALMO",)),
            ),
        )
    )


NETWORK = network()


def verdict_of(rule: str, case: Mapping[str, Any], by: Policy) -> tuple[RuleVerdict, Verdict]:
    """The rule's verdict on the line and its record."""
    now = scene.moment(case["now"])
    judged = scene.line(case.get("line"))
    lines = [judged]
    for number, given in enumerate(case.get("others", ()), start=1):
        fields = {"line_id": f"ACME/99{number}#10", **given}
        unit = fields.pop("unit", "EA")
        lines.append(msgspec.structs.replace(scene.line(fields), unit=unit))
    mine = priced(judged, NETWORK)
    if mine is None:
        return NO_LONGER_PRICED, verdict_record(NO_LONGER_PRICED, by.version)
    found = [each for line in lines if (each := priced(line, NETWORK)) is not None]
    prices = [price for listed, price in found if listed == mine[0]]
    verdicts = {
        each.price.line_id: each.verdict for each in judge_prices(mine[0], prices, NETWORK, by, now)
    }
    verdict = verdicts[judged.line_id]
    assert verdict.rule == rule
    return verdict, verdict_record(verdict, by.version)
