"""Price lists: what one item costs one customer over all its lines, whatever cell judges those.

The ledger of a line tells its price to the list that it belongs to, beside what it tells to cells
and in the same tick; a list lies in the partition of its key among the cells and is judged there.
Its state is one record a line, and a head that says when time alone changes something. A price is
compared for the look-back of the policy, also when its line has left the ledgers since.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from alerts import texts
from alerts.findings import Finding, RuleVerdict
from alerts.lines import LineSummary
from alerts.plain_verdicts import StoredVerdict, restored, stored
from alerts.price_judgement import NO_LONGER_COMPARED, NO_LONGER_PRICED, is_kept, judge_prices
from alerts.prices import Price, PriceList, price_list_of, priced
from alerts.rules.prices import PAST_LOOK_BACK
from schemas import limits
from schemas.units import UtcMillis
from streams.stages.keys import PART_MARK, PRICE_MARK, part, price_key, split_part
from streams.stages.rows import Row, RowKind
from streams.stages.stage import Outputs, TickContext
from streams.stages.statements import decision_of, state_findings
from streams.stages.store import Store

STATE_VERSION = 1
NOT_PRICED = ("", b"")
"""What a ledger keeps of a line whose price no list knows."""


class ListHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A price list as it is kept beside its prices."""

    v: int
    due: UtcMillis | None


class ListedPrice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The price of one line, and what was last said of it."""

    v: int
    due: UtcMillis | None
    price: Price
    said: tuple[StoredVerdict, ...] = ()

    @property
    def verdict(self) -> RuleVerdict | None:
        """What was last said of it; None where nothing was, or by a reason of another release."""
        return next(iter(restored(self.said)), None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The finding that was stated to the incidents, if it fires."""
        verdict = self.verdict
        return () if verdict is None or verdict.finding is None else (verdict.finding,)


class Unpriced(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A line's price left a list; `moved` to another, which says what is to be said of it."""

    line_id: str
    moved: bool


_encode = msgspec.msgpack.Encoder().encode
_decode_price = msgspec.msgpack.Decoder(Price).decode
_decode_listed = msgspec.msgpack.Decoder(ListedPrice).decode
_decode_unpriced = msgspec.msgpack.Decoder(Unpriced).decode


def tell_price(
    line: LineSummary, before: tuple[str, bytes], tick: TickContext, out: Outputs
) -> tuple[str, bytes]:
    """Tells the list of the line's price what changed of it; `before` is what this returned last:
    the list that knows it, and a digest of what it knows. A new network or policy may compare it
    again: then a list that let go of it is told anew."""
    found = priced(line, tick.network)
    if found is None:
        if before[0]:
            _unprice(before[0], Unpriced(line.line_id, moved=False), tick, out)
        return NOT_PRICED
    listed, price = found
    body = _encode(price)
    told = (listed.id, blake2b(body, digest_size=8).digest())
    if told == before and not (tick.renewed and is_kept(price, tick.network, tick.policy, tick.at)):
        return before
    if before[0] not in ("", listed.id):
        _unprice(before[0], Unpriced(line.line_id, moved=True), tick, out)
    key = price_key(listed.id)
    out.row("cells-rows", tick.n, key, Row(key, RowKind.PRICED, body))
    return told


def _unprice(list_id: str, gone: Unpriced, tick: TickContext, out: Outputs) -> None:
    key = price_key(list_id)
    out.row("cells-rows", tick.n, key, Row(key, RowKind.UNPRICED, _encode(gone)))


class PriceLists:
    """The price lists of one partition of cells. It indexes, from the store, the lines of each."""

    def __init__(self) -> None:
        self._lines: dict[str, set[str]] = {}
        self._touched: dict[str, set[str]] = {}
        """Lines whose price came in the transaction that is open."""

    def clear(self) -> None:
        """Forgets all."""
        self._lines.clear()
        self._touched.clear()

    def settle(self) -> None:
        """The open transaction has ended."""
        self._touched.clear()

    def know(self, key: str, is_there: bool) -> None:
        """A record of a list is there, or no longer is."""
        whole, line_id = split_part(key)
        if not line_id:
            return
        if is_there:
            self._lines.setdefault(whole, set()).add(line_id)
        elif whole in self._lines:
            self._lines[whole].discard(line_id)
            if not self._lines[whole]:
                del self._lines[whole]

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """One list: takes what changed, judges every price, tells what is said otherwise."""
        if PART_MARK in key:
            return
        listed = price_list_of(key.removeprefix(PRICE_MARK))
        self._take(key, rows, store, tick, out)
        known = self._known(key, listed, store, tick, out)
        judged = judge_prices(
            listed, [each.price for each in known], tick.network, tick.policy, tick.at
        )
        moments: list[UtcMillis] = []
        is_empty = True
        for old, new in zip(known, judged, strict=True):
            verdict = new.verdict
            if verdict.reason == PAST_LOOK_BACK:
                _drop(key, old, verdict, store, tick, out)
                continue
            is_empty = False
            if new.due is not None:
                moments.append(new.due)
            if verdict == old.verdict:
                continue
            now = ListedPrice(STATE_VERSION, None, old.price, stored((verdict,)))
            _tell(old, verdict, now.findings, tick, out)
            store.put(part(key, old.price.line_id), _encode(now))
        if not is_empty:
            store.put(key, _encode(ListHead(STATE_VERSION, min(moments, default=None))))
        elif store.get(key) is not None:
            store.delete(key)

    def _take(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """Prices that changed; one that did keeps what was last said of it, to be held against."""
        for row in rows:
            if row.kind == RowKind.PRICED:
                price = _decode_price(row.body)
                at = part(key, price.line_id)
                held = store.get(at)
                said = () if held is None else _decode_listed(held).said
                store.put(at, _encode(ListedPrice(STATE_VERSION, None, price, said)))
                self._touched.setdefault(key, set()).add(price.line_id)
            elif row.kind == RowKind.UNPRICED:
                gone = _decode_unpriced(row.body)
                held = store.get(part(key, gone.line_id))
                if held is not None:
                    verdict = None if gone.moved else NO_LONGER_PRICED
                    _drop(key, _decode_listed(held), verdict, store, tick, out)

    def _known(
        self, key: str, listed: PriceList, store: Store, tick: TickContext, out: Outputs
    ) -> list[ListedPrice]:
        """The prices of the list, by line. Those of lines that left and are another customer's by a
        new network go, and those past the limit that were placed first. Of those of which something
        was said it is said that they went."""
        found: list[ListedPrice] = []
        for line_id in sorted(self._lines.get(key, set()) | self._touched.get(key, set())):
            held = store.get(part(key, line_id))
            if held is None:
                continue
            each = _decode_listed(held)
            if tick.renewed:
                customer = tick.network.customer_of(each.price.buyer, each.price.site)
                if customer is None or customer.id != listed.account:
                    _let_go(key, each, store, tick, out)
                    continue
            found.append(each)
        over = len(found) - limits.PRICES_PER_LIST_MAX
        if over > 0:
            first = sorted(found, key=lambda each: (each.price.at, each.price.line_id))[:over]
            for each in first:
                _let_go(key, each, store, tick, out)
            left = {each.price.line_id for each in first}
            found = [each for each in found if each.price.line_id not in left]
        return found


def _let_go(key: str, each: ListedPrice, store: Store, tick: TickContext, out: Outputs) -> None:
    _drop(key, each, NO_LONGER_COMPARED if each.said else None, store, tick, out)


def _drop(
    key: str,
    old: ListedPrice,
    verdict: RuleVerdict | None,
    store: Store,
    tick: TickContext,
    out: Outputs,
) -> None:
    """The price leaves the list; `verdict` is what is said of it then, None nothing."""
    _tell(old, verdict, (), tick, out)
    store.delete(part(key, old.price.line_id))


def _tell(
    old: ListedPrice,
    verdict: RuleVerdict | None,
    findings: Sequence[Finding],
    tick: TickContext,
    out: Outputs,
) -> None:
    if verdict is not None and verdict != old.verdict:
        record = texts.verdict_record(verdict, tick.policy.version)
        line_id = old.price.line_id
        out.record("decisions", line_id, decision_of(line_id, (record,), tick))
    state_findings(old.findings, findings, (), tick, out)
