"""`slipwatch partners webhook`: who is told its order status at an address of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace
from rich.markup import escape

from schemas.limits import WEBHOOK_BOTH_HOURS_MAX
from schemas.units import HOUR_MS, UtcMillis, instant, iso
from streams.cli.chain import is_subscribed_party
from streams.cli.display import print_table
from streams.cli.handover import is_new, write_secret
from streams.cli.session import (
    Refused,
    Session,
    console,
    finish,
    json_option,
    pass_session,
    print_json,
)
from streams.cli.webhook_trial import try_out
from streams.clients import engine_group
from streams.engine.clock import WallClock
from streams.engine.log import Log, Partition
from streams.engine.recorded import read_committed
from streams.exits import Exit
from streams.webhooks.addresses import AddressRefused, check_host, check_url
from streams.webhooks.keys import KeyRefused, WebhookKey, load_key, make_key
from streams.webhooks.receipts import DELIVERING, RECEIPTS, Standing, read_receipt
from streams.webhooks.registration import (
    Register,
    RegisterFull,
    Registration,
    register,
    registrations,
)


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did for a party; `secret` is shown this once, or is in `secret_file`."""

    party: str
    url: str
    changed: bool
    is_subscribed: bool | None = None
    secret: str | None = None
    secret_file: str | None = None
    both_until: str | None = None


class ListedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """One party's webhook; `state` is delivering, failing or suspended, `says` the last answer that
    made it so, `since` when that began."""

    party: str
    url: str
    registered_at: dt.datetime
    changed_at: dt.datetime
    secret_number: int
    both_until: str | None
    state: str
    says: str
    since: str | None


@click.group("webhook")
def webhook() -> None:
    """Tell parties of the chain their own order status by POST to an HTTPS address of theirs.

    What is sent is signed as Standard Webhooks says. The secrets are made of one key, that this
    command and the workers read from the file `partners.webhook_key_file`.

    \b
    Examples:
      slipwatch partners webhook key
      slipwatch partners webhook add NORDIC-RETAIL https://nordic.example.com/slipwatch
      slipwatch partners webhook test NORDIC-RETAIL
      slipwatch partners webhook rotate NORDIC-RETAIL --hours 48
      slipwatch partners webhook list
      slipwatch partners webhook remove NORDIC-RETAIL
    """


party_argument = click.argument("party")
file_option = click.option(
    "--secret-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the secret to this new file, readable by you alone, and do not show it.",
)


@webhook.command("key")
@json_option
@pass_session
def key(session: Session, as_json: bool) -> None:
    """Make the key that all secrets are made of, in the file `partners.webhook_key_file`.

    Give the same file to the workers, and keep it: with another key every party needs a new secret.
    Ends with code 3 where there is a key.
    """
    path = session.settings.partners.webhook_key_file
    try:
        make_key(path)
    except (KeyRefused, OSError) as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error
    if as_json:
        print_json({"file": str(path)})
    else:
        click.echo(f"{path} holds the key. Give the same file to the workers, and keep it.")


@webhook.command("add")
@party_argument
@click.argument("url")
@file_option
@json_option
@pass_session
def add(session: Session, party: str, url: str, secret_file: Path | None, as_json: bool) -> None:
    """Tell PARTY, of the published network, its lines at URL; safe to repeat.

    The secret is shown this once. A party that is registered keeps its secret and what it was told;
    another URL takes the place of the one before, and a suspended webhook is tried again.

    \b
    Examples:
      slipwatch partners webhook add NORDIC-RETAIL https://nordic.example.com/slipwatch
      slipwatch partners webhook add NORDIC-RETAIL https://nordic.example.com/slipwatch \\
        --secret-file nordic.secret
    """
    is_new(secret_file)
    settings = session.settings.partners
    try:
        parts = check_url(url)
        check_host(parts, are_private_allowed=settings.webhook_private_addresses)
    except AddressRefused as error:
        raise Refused(str(error), Exit.FINDINGS) from error
    is_subscribed = is_subscribed_party(session, party)
    key = _key(session)
    now = WallClock().now()
    with _register(session) as book:
        _check_keys(book, key)
        before = book.found.get(party)
        if before is None:
            made = secrets.token_hex(16)
            after = Registration(
                party=party,
                url=url,
                registration=made,
                key_mark=key.mark(made),
                registered_at=instant(now),
                changed_at=instant(now),
            )
        else:
            after = replace(before, url=url, revision=before.revision + 1, changed_at=instant(now))
        book.write(after)
    handed = Handed(
        party=party,
        url=url,
        changed=before is None or before.url != url,
        is_subscribed=is_subscribed,
    )
    secret = None if before is not None else key.secret(after.registration, after.secret)
    _hand_over(handed, secret, secret_file, as_json=as_json)


@webhook.command("rotate")
@party_argument
@click.option(
    "--hours",
    type=click.IntRange(0, WEBHOOK_BOTH_HOURS_MAX),
    default=24,
    show_default=True,
    help="How long the secret before signs too, so that the party can change over in peace.",
)
@file_option
@json_option
@pass_session
def rotate(
    session: Session, party: str, hours: int, secret_file: Path | None, as_json: bool
) -> None:
    """Give PARTY a new secret. Messages are signed with both for --hours, then with the new one.

    With --hours 0 the one before is worthless at once. Ends with code 1 where there is no webhook.
    """
    is_new(secret_file)
    key = _key(session)
    now = WallClock().now()
    with _register(session) as book:
        before = _found(book.found, party)
        _check_keys(book, key)
        until = now + hours * HOUR_MS if hours else None
        after = replace(
            before,
            revision=before.revision + 1,
            secret=before.secret + 1,
            both_until=until,
            changed_at=instant(now),
        )
        book.write(after)
    handed = Handed(
        party=party, url=after.url, changed=True, both_until=iso(until) if until else None
    )
    secret = key.secret(after.registration, after.secret)
    _hand_over(handed, secret, secret_file, as_json=as_json)


@webhook.command("test")
@party_argument
@json_option
@pass_session
def test(session: Session, party: str, as_json: bool) -> None:
    """Send PARTY a message of the type webhook.test now, from here, and say how it was answered.

    The workers may stand elsewhere: what reaches the address from here may not do so from there.
    Ends with code 1 where the address did not take it.
    """
    with session.log() as log:
        registration = _found(registrations(log), party)
    try:
        check_url(registration.url)
    except AddressRefused as error:
        raise Refused(f"{party}: {error}", Exit.FINDINGS) from error
    key = _key(session)
    _check_mark(registration, key)
    try:
        tried = asyncio.run(try_out(session, registration, key))
    except OSError as error:
        raise Refused(f"partners.webhook_ca_file: {error}", Exit.CONFIGURATION) from error
    if as_json:
        print_json(tried)
    else:
        click.echo(f"{party}: {tried.says}, after {tried.seconds:.2f} s")
    finish(Exit.OK if tried.delivered else Exit.FINDINGS)


@webhook.command("remove")
@party_argument
@json_option
@pass_session
def remove(session: Session, party: str, as_json: bool) -> None:
    """Send PARTY nothing any more; safe to repeat.

    What it was told is forgotten: registered again it gets a new secret, and all its lines.
    """
    with _register(session) as book:
        before = book.found.get(party)
        if before is not None:
            book.remove(party)
    if as_json:
        print_json({"party": party, "removed": before is not None})
    elif before is None:
        click.echo(f"{party} has no webhook; nothing to remove.")
    else:
        click.echo(f"{party} is told nothing at {before.url} any more.")


@webhook.command("list")
@json_option
@pass_session
def list_webhooks(session: Session, as_json: bool) -> None:
    """List who has a webhook, where, and how its address answers.

    Ends with code 0 whatever is found; changes nothing.
    """
    with session.log() as log:
        known = registrations(log)
        standings = _standings(log)
    now = WallClock().now()
    found = [_listed(known[party], standings.get(party), now) for party in sorted(known)]
    if as_json:
        print_json(found)
        return
    print_table(
        ("party", "address", "secret", "state", "since", "last answer"),
        (
            (
                escape(each.party),
                escape(each.url),
                str(each.secret_number) + (" and the one before" if each.both_until else ""),
                each.state,
                each.since or "",
                escape(each.says),
            )
            for each in found
        ),
    )
    if not found:
        console().print(
            "No party has a webhook. To add one: slipwatch partners webhook add PARTY URL"
        )


def _listed(registration: Registration, standing: Standing | None, now: UtcMillis) -> ListedWebhook:
    counts_for = (registration.registration, registration.revision)
    if standing is not None and (standing.registration, standing.revision) != counts_for:
        standing = None
    is_both = len(registration.secrets_at(now)) > 1
    return ListedWebhook(
        party=registration.party,
        url=registration.url,
        registered_at=registration.registered_at,
        changed_at=registration.changed_at,
        secret_number=registration.secret,
        both_until=iso(registration.both_until) if is_both and registration.both_until else None,
        state=DELIVERING if standing is None else standing.state,
        says="" if standing is None else standing.says,
        since=None if standing is None else iso(standing.at),
    )


def _standings(log: Log) -> dict[str, Standing]:
    found: dict[str, Standing] = {}
    for _, record in read_committed(log, [Partition(*RECEIPTS)]):
        party, _, said = read_receipt(record)
        if isinstance(said, Standing):
            found[party] = said
    return found


@contextmanager
def _register(session: Session) -> Iterator[Register]:
    try:
        with session.log() as log, register(log, engine_group(session.settings)) as book:
            yield book
    except RegisterFull as error:
        raise Refused(f"{error}; remove one that is not needed", Exit.FINDINGS) from error


def _key(session: Session) -> WebhookKey:
    try:
        return load_key(session.settings.partners.webhook_key_file)
    except KeyRefused as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error


def _found(known: dict[str, Registration], party: str) -> Registration:
    if party in known:
        return known[party]
    raise Refused(
        f"{party} has no webhook; slipwatch partners webhook add {party} URL", Exit.FINDINGS
    )


def _check_keys(book: Register, key: WebhookKey) -> None:
    """Refuses a key that others were not registered with: the workers have one only."""
    for each in book.found.values():
        _check_mark(each, key)


def _check_mark(registration: Registration, key: WebhookKey) -> None:
    if not key.has_made(registration):
        raise Refused(
            f"{registration.party} was registered with another webhook key than the one in "
            "partners.webhook_key_file; use that key, or remove its webhook",
            Exit.CONFIGURATION,
        )


def _hand_over(handed: Handed, secret: str | None, file: Path | None, *, as_json: bool) -> None:
    if secret is not None and file is not None:
        again = f"slipwatch partners webhook rotate {handed.party} makes another"
        write_secret(file, secret + "\n", again)
        handed = replace(handed, secret_file=str(file))
    elif secret is not None:
        handed = replace(handed, secret=secret)
    if as_json:
        print_json(handed)
        return
    click.echo(f"{handed.party} is told at {handed.url}")
    if handed.is_subscribed is False:
        click.echo("  The network does not say `subscribed: true` of it: nothing is told it.")
    if handed.both_until is not None:
        click.echo(f"  Messages are signed with the secret before, too, until {handed.both_until}.")
    if secret is None:
        click.echo("  It keeps its secret.")
    elif file is not None:
        click.echo(f"  The secret is in {file}.")
    else:
        click.echo(f"  The secret, shown this once: {secret}")
