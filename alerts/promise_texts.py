"""The sentence that answers for an order that does not exist yet."""

from __future__ import annotations

from schemas.promise_records import PromiseBasis, PromiseOffer, PromiseOption


def offer_text(offer: PromiseOffer) -> str:
    """Whether and for when it can be promised, from where, and what nobody can be sure of."""
    wanted = f"{offer.quantity} {offer.unit} of {offer.item} at {offer.site}"
    said = [_promise(offer, wanted)]
    if offer.unsure is not None:
        said.append(_perhaps(offer.unsure))
    taking = offer.taking
    if taking is not None:
        waiting = len(taking.pushed)
        lines = "1 order line" if waiting == 1 else f"{waiting} order lines"
        others = "" if not taking.unseen_movements else " at least"
        if waiting or others:
            said.append(f"It could be {_when(taking.option)} if{others} {lines} waited.")
        else:
            said.append(f"It could be {_when(taking.option)} at the cost of safety stock.")
    return " ".join(said)


def _promise(offer: PromiseOffer, wanted: str) -> str:
    if offer.promised is None:
        if not offer.sources:
            return f"{wanted} cannot be promised: no site has it and no lane brings it."
        reasons = list(
            dict.fromkeys(f"{each.site}: {each.unsure}" for each in offer.sources if each.unsure)
        )
        told = f" Nobody can tell of {'; '.join(reasons)}." if reasons else ""
        return f"{wanted} cannot be promised: {offer.missing} {offer.unit} are free nowhere.{told}"
    from_where = ", ".join(
        f"{each.quantity} from {each.site}" if len(offer.promised.parts) > 1 else each.site
        for each in offer.promised.parts
    )
    told = f"{wanted}: {_when(offer.promised)}, from {from_where}."
    if offer.is_met is None:
        return told
    kept = offer.promised.kept_at
    if kept is None:
        return f"Not by {offer.by}. {told}"
    only = "" if offer.is_met else "only "
    return f"By {offer.by}{_each(offer.promised)} in {only}{kept[1:]} of 100 cases. {told}"


def _when(option: PromiseOption) -> str:
    if option.p50_on == option.p95_on:
        return f"on {option.p80_on}"
    in_cases = f"in 80 of 100 cases (50: {option.p50_on}, 95: {option.p95_on})"
    return f"by {option.p80_on}{_each(option)} {in_cases}"


def _each(option: PromiseOption) -> str:
    """Of several parts each keeps its date so often, and all of them together less often."""
    return ", each part" if len(option.parts) > 1 else ""


def _perhaps(option: PromiseOption) -> str:
    reasons = dict.fromkeys(f"{each.site}: {each.unsure}" for each in option.parts if each.unsure)
    only = all(each.basis is PromiseBasis.LEAD_TIME for each in option.parts)
    basis = " by the lanes' time alone" if only else ""
    return f"Perhaps {_when(option)}{basis}, but nobody can tell of {'; '.join(reasons)}."
