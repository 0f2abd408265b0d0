"""The pages behind a link: a form, and what became of it. Plain HTML: no script, no cookie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from streams.door.answers import PARTS_MAX
from streams.door.links import Link
from streams.door.statements import Complaint

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""The address of the page is a key: nothing on it may carry that elsewhere."""

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}"
    "label{display:block;margin:.5rem 0}fieldset{margin:1rem 0}.wrong{color:#a00}"
)


def form_page(link: Link, form_id: str, wrong: Sequence[Complaint] = ()) -> str:
    """The form; with what was wrong with the answer before it."""
    ordered = f"{link.quantity or ''} {link.unit or ''} {link.item or ''}".strip()
    problems = "".join(f"<li>{escape(error)}</li>" for _, error in wrong)
    return _page(
        link.title,
        f"<p>{escape(ordered)}</p><p>You answer as {escape(link.party)}.</p>"
        + (f'<ul class="wrong">{problems}</ul>' if problems else "")
        + '<form method="post">'
        f'<input type="hidden" name="form" value="{escape(form_id)}">'
        "<fieldset><legend>When will it be delivered?</legend>"
        '<label><input type="radio" name="answer" value="confirm" checked> We deliver:</label>'
        + "".join(_part(number, link) for number in range(1, PARTS_MAX + 1))
        + '<label><input type="radio" name="answer" value="reject"> We will not deliver it.</label>'
        "</fieldset>"
        '<label>Reason, if you like: <input name="reason" maxlength="500"></label>'
        '<button type="submit">Send</button></form>',
    )


def _part(number: int, link: Link) -> str:
    first = number == 1
    says = "All of it, or this part" if first else f"Part {number}"
    quantity = ""
    if link.unit is not None:
        quantity = (
            f' <input name="quantity{number}" inputmode="decimal" size="10"> {escape(link.unit)}'
        )
    elif not first:
        return ""
    return f'<label>{says}: on <input type="date" name="date{number}">{quantity}</label>'


def thanks_page(link: Link) -> str:
    """The answer was taken."""
    return _page(
        "Thank you",
        f"<p>{escape(link.title)}: your answer was taken. "
        "You may open the link again to change it.</p>",
    )


def message_page(title: str, says: str) -> str:
    """A sentence, where there is no form."""
    return _page(title, f"<p>{escape(says)}</p>")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
