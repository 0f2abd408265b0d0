"""The parties of the published network, as commands about one of them ask for it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from streams.cli.session import Refused, Session
from streams.exits import Exit
from streams.published import read_published
from topology import network as networks
from topology.model import Party


def published_parties(session: Session) -> Mapping[str, Party]:
    """The parties of the network that was published last, by id."""
    with session.log() as log:
        versions = list(read_published(log, "networks"))
    return networks.decode(versions[-1].data).parties if versions else {}


def is_subscribed_party(session: Session, party: str) -> bool:
    """Whether the published network subscribes the party; refuses one that it does not have."""
    parties = published_parties(session)
    if party in parties:
        return parties[party].subscribed
    if not parties:
        raise Refused(
            "no network is published, so that nobody is known; slipwatch network publish DIR",
            Exit.FINDINGS,
        )
    near = difflib.get_close_matches(party, parties, 3)
    perhaps = "".join(f"\nperhaps {each}" for each in near)
    raise Refused(f"the published network has no party {party!r}{perhaps}", Exit.FINDINGS)
