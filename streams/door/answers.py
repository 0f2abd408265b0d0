"""What a partner answers in the form behind a link, as facts with the partner as their source.

A line is confirmed with a date, or with up to three parts, each with its quantity and its date: so
it is split, or, where the parts are less than was ordered, short. One part without a quantity is
all that the page shows: what was ordered since is not confirmed by it. Or the line is rejected. A
form has an id of its own; sent twice it counts once, and an answer that differs, in this form or a
later one, replaces the one before.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from schemas import limits
from schemas.facts import Fact
from schemas.json_facts import parse_fact
from schemas.partner_sources import partner_source
from schemas.units import UtcMillis, iso
from streams.door.links import Link
from streams.door.statements import Complaint, digest

PARTS_MAX = 3
_FORM_ID = re.compile(r"[A-Za-z0-9_-]{20,40}", re.ASCII)
_FIELDS_MAX = 20
_SAID_CHARS = 16


class FormRefused(ValueError):
    """The body is no form of ours; the text says why."""


def new_form_id() -> str:
    """An id for a form that is about to be shown."""
    return secrets.token_urlsafe(18)


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form, without those that were left empty. Raises FormRefused."""
    if len(body) > limits.FORM_BYTES_MAX:
        raise FormRefused(f"found a larger form, expected at most {limits.FORM_BYTES_MAX} bytes")
    try:
        pairs = parse_qsl(body.decode("utf-8"), errors="strict", max_num_fields=_FIELDS_MAX)
    except (ValueError, UnicodeDecodeError) as error:
        raise FormRefused("found no form, expected fields in UTF-8") from error
    return {name: value.strip() for name, value in pairs if value.strip()}


def facts_of_form(
    link: Link, form: Mapping[str, str], now: UtcMillis
) -> list[Fact] | list[Complaint]:
    """The facts that the form tells, or all that is wrong with it."""
    form_id = form.get("form", "")
    if not _FORM_ID.fullmatch(form_id):
        wrong = "form is missing or no id, expected that of the page: open the link anew"
        return list[Complaint]([("form", wrong)])
    # The page that a browser goes back to still has its id: what is answered anew counts anew.
    said = digest({name: value for name, value in form.items() if name != "form"})
    answer_id = f"answer:{form_id}:{said.removeprefix('sha256:')[:_SAID_CHARS]}"
    common: dict[str, Any] = {
        "source": partner_source(link.party),
        "occurred_at": iso(now),
        "recorded_at": iso(now),
        "order_ref": link.order_ref,
        "line": link.line,
        "reason": form.get("reason", "").replace("\r\n", "\n") or None,
    }
    match form.get("answer"):
        case "reject":
            told = [common | {"kind": "rejected", "event_id": answer_id}]
        case "confirm":
            parts = _parts(form)
            if isinstance(parts, list):
                return parts
            all_of_it = None if link.unit is None else link.quantity
            told = [
                common
                | {"kind": "confirmed", "event_id": f"{answer_id}:{number}"}
                | {"confirmation": answer_id, "schedule": number, "promised_on": date}
                | ({} if amount is None else {"quantity": amount, "unit": link.unit})
                for number, (date, quantity) in parts.items()
                for amount in (quantity or all_of_it,)
            ]
        case _:
            return list[Complaint]([("answer", "answer is missing, expected confirm or reject")])
    facts: list[Fact] = []
    complaints: list[Complaint] = []
    for each in told:
        found = parse_fact(each)
        if isinstance(found, list):
            complaints += found
        else:
            facts.append(found)
    return complaints or facts


def _parts(form: Mapping[str, str]) -> dict[int, tuple[str, str | None]] | list[Complaint]:
    """Date and quantity of each part that is filled in. One part alone may have no quantity: then
    it is all that the page shows."""
    parts = {
        number: (form.get(f"date{number}"), form.get(f"quantity{number}"))
        for number in range(1, PARTS_MAX + 1)
        if f"date{number}" in form or f"quantity{number}" in form
    }
    complaints: list[Complaint] = [] if parts else [("date1", "date1 is missing, expected a date")]
    filled: dict[int, tuple[str, str | None]] = {}
    for number, (date, quantity) in parts.items():
        if date is None:
            complaints.append((f"date{number}", f"date{number} is missing, expected a date"))
        elif quantity is None and len(parts) > 1:
            wrong = f"quantity{number} is missing, expected one for each of several parts"
            complaints.append((f"quantity{number}", wrong))
        else:
            filled[number] = (date, quantity)
    return complaints or filled
