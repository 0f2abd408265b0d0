"""What a cell tells the subscribed parties of a line: one record for each, when it says something
new, and a tombstone when the party has nothing more to do with the line.

A line may change its cell and its parties at once. The cell that judges it now writes the record of
every party that it has now; the one that it left takes back the records of those that it no longer
has. So no record of one tick is written by two.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b

from alerts.context import Judgement
from alerts.partners import partner_status
from schemas.partner_records import partner_key
from schemas.records import encode
from streams.stages.stage import Outputs, TickContext

PARTNER_STATUS = "partner-status"

ToldParties = tuple[tuple[str, bytes], ...]
"""The parties of a line that have a record, ascending, and a digest of what it says."""


def tell_parties(
    judgement: Judgement, before: ToldParties, tick: TickContext, out: Outputs
) -> ToldParties:
    """Writes what is new to the subscribed parties of a line that is judged here."""
    subscribed = tick.network.subscribed
    if not subscribed and not before:
        return ()
    line = judgement.view.line
    known, told = dict(before), []
    for party in line.parties:
        if party not in subscribed:
            continue
        value = encode(partner_status(judgement, party))
        digest = blake2b(value, digest_size=8).digest()
        if known.get(party) != digest:
            out.encoded(PARTNER_STATUS, partner_key(party, line.line_id), value)
        told.append((party, digest))
    take_back(line.line_id, before, [party for party, _ in told], tick, out)
    return tuple(told)


def take_back(
    line_id: str, before: ToldParties, stay: Collection[str], tick: TickContext, out: Outputs
) -> None:
    """Takes back the records of parties that are none of those that stay, or not subscribed."""
    for party, _ in before:
        if party not in stay or party not in tick.network.subscribed:
            out.encoded(PARTNER_STATUS, partner_key(party, line_id), None)
