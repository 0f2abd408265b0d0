"""How much of a line or number its partners take up, so that none of them fills it alone."""

from __future__ import annotations

from collections.abc import Iterable

from schemas import limits
from schemas.facts import Fact
from schemas.partner_sources import PARTNER_MARK


class Room:
    """How much each partner has told of one line or number; sources of our own are not counted."""

    def __init__(self, kept: Iterable[tuple[Fact, bytes]] = ()) -> None:
        self._facts: dict[str, int] = {}
        self._bytes: dict[str, int] = {}
        for fact, body in kept:
            self.take(fact.source, body)

    def take(self, source: str, body: bytes) -> None:
        """One more fact is kept."""
        if not source.startswith(PARTNER_MARK):
            return
        self._facts[source] = self._facts.get(source, 0) + 1
        self._bytes[source] = self._bytes.get(source, 0) + len(body)

    def lack(self, key: str, source: str, body: bytes) -> str:
        """Why one more does not fit; empty when it does."""
        if self._facts.get(source, 0) >= limits.PARTNER_FACTS_MAX:
            return f"{key} already has {limits.PARTNER_FACTS_MAX} facts from {source}"
        if self._bytes.get(source, 0) + len(body) > limits.PARTNER_FACT_BYTES_MAX:
            return f"{key} already has {self._bytes[source]} bytes of facts from {source}"
        return ""
