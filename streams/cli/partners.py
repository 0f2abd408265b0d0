"""`slipwatch partners`: who of the chain may read its own order status from the broker."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from rich.markup import escape

from streams.broker.access import (
    PARTNERS,
    AccessAdmin,
    names_of,
    names_of_user,
    new_password,
    rights_of,
)
from streams.broker.quotas import BYTES_PER_SECOND, REQUEST_PERCENT, QuotaAdmin, Quotas
from streams.broker.topics import full_name
from streams.cli.chain import is_subscribed_party, published_parties
from streams.cli.display import print_table
from streams.cli.handover import (
    SASL_PROTOCOLS,
    Done,
    Password,
    client_settings,
    hand_over,
    is_new,
    print_done,
)
from streams.cli.session import (
    Refused,
    Session,
    console,
    json_option,
    pass_session,
    print_json,
)
from streams.cli.webhooks import webhook
from streams.exits import Exit


class ListedPartner(msgspec.Struct, frozen=True, kw_only=True):
    """One party's access as it is on the broker; `party` None where the published network has no
    such party (any more)."""

    party: str | None
    user: str
    topic_exists: bool
    has_password: bool
    rights_missing: tuple[str, ...]
    rights_beyond: tuple[str, ...]
    quotas: Quotas


@click.group(commands=[webhook])
def partners() -> None:
    """Let parties of the chain read their own order status from Apache Kafka, and nothing else, or
    have it sent to an address of their own.

    The first needs a broker with SASL/SCRAM and an authorizer, and a user of ours that may give
    access.

    \b
    Examples:
      slipwatch partners add NORDIC-RETAIL --settings-file nordic.properties
      slipwatch partners list
      slipwatch partners rotate NORDIC-RETAIL
      slipwatch partners remove NORDIC-RETAIL
      slipwatch partners webhook add NORDIC-RETAIL https://nordic.example.com/slipwatch
    """


party_argument = click.argument("party")
file_option = click.option(
    "--settings-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the client's settings to this new file, readable by you alone, and show no "
    "password.",
)
servers_option = click.option(
    "--bootstrap-servers",
    help="Where the party finds the broker. [default: kafka.bootstrap_servers]",
)
protocol_option = click.option(
    "--security-protocol",
    type=click.Choice(SASL_PROTOCOLS),
    help="How the party connects. [default: as we do, or SASL_SSL]",
)


@partners.command("add")
@party_argument
@click.option(
    "--bytes-per-second",
    type=click.IntRange(min=1_000),
    default=1_000_000,
    show_default=True,
    help="What the party may read at most.",
)
@click.option(
    "--request-percent",
    type=click.FloatRange(min=0.1),
    default=20.0,
    show_default=True,
    help="How much of one of the broker's threads its requests may take.",
)
@file_option
@servers_option
@protocol_option
@json_option
@pass_session
def add(  # noqa: PLR0913, PLR0917 - one option each
    session: Session,
    party: str,
    bytes_per_second: int,
    request_percent: float,
    settings_file: Path | None,
    bootstrap_servers: str | None,
    security_protocol: str | None,
    as_json: bool,
) -> None:
    """Let PARTY, of the published network, read its own topic; safe to repeat.

    Makes a user with a password, the rights to read the party's topic in consumer groups of its
    own, and a quota, and prints the settings to hand over. The password is shown this once; a party
    that has one keeps it.
    """
    is_subscribed = is_subscribed_party(session, party)
    is_new(settings_file)
    names = names_of(party, session.settings.topics.prefix)
    kafka = session.settings.kafka
    admin, quotas = AccessAdmin(kafka), QuotaAdmin(kafka)
    rights_changed = admin.grant(names)
    wanted = {BYTES_PER_SECOND: float(bytes_per_second), REQUEST_PERCENT: request_percent}
    quota_changed = quotas.of_users().get(names.user, {}) != wanted
    if quota_changed:
        quotas.set(names.user, wanted)
    # The password comes last: nobody gets in before the limits are there.
    password = None if names.user in admin.users() else new_password()
    if password is not None:
        admin.set_password(names.user, password)
    done = Done(
        party=party,
        user=names.user,
        topic=names.topic,
        topic_exists=names.topic in admin.topics(),
        is_subscribed=is_subscribed,
        group_prefix=names.group_prefix,
        rights_changed=rights_changed,
        quota_changed=quota_changed,
        password=Password.KEPT if password is None else Password.MADE,
    )
    given = client_settings(kafka, names, password, bootstrap_servers, security_protocol)
    hand_over(done, given, settings_file, as_json=as_json)


@partners.command("rotate")
@party_argument
@file_option
@servers_option
@protocol_option
@json_option
@pass_session
def rotate(
    session: Session,
    party: str,
    settings_file: Path | None,
    bootstrap_servers: str | None,
    security_protocol: str | None,
    as_json: bool,
) -> None:
    """Give PARTY a new password; the old one opens no new connection.

    A connection that is open stays until it ends, or until the broker's connections.max.reauth.ms.
    Ends with code 1 when the party has no access.
    """
    is_new(settings_file)
    names = names_of(party, session.settings.topics.prefix)
    kafka = session.settings.kafka
    admin = AccessAdmin(kafka)
    if names.user not in admin.users():
        raise Refused(f"{party} has no access; slipwatch partners add {party}", Exit.FINDINGS)
    password = new_password()
    admin.set_password(names.user, password)
    done = Done(
        party=party,
        user=names.user,
        topic=names.topic,
        topic_exists=names.topic in admin.topics(),
        group_prefix=names.group_prefix,
        rights_changed=0,
        quota_changed=False,
        password=Password.REPLACED,
    )
    given = client_settings(kafka, names, password, bootstrap_servers, security_protocol)
    hand_over(done, given, settings_file, as_json=as_json)


@partners.command("remove")
@party_argument
@json_option
@pass_session
def remove(session: Session, party: str, as_json: bool) -> None:
    """Take all access from PARTY, at once; safe to repeat.

    Takes the rights first, which ends what a connection that is open can do, then the password and
    the quota. Its topic stays; the network says who has one.
    """
    names = names_of(party, session.settings.topics.prefix)
    kafka = session.settings.kafka
    admin, quotas = AccessAdmin(kafka), QuotaAdmin(kafka)
    rights_changed = admin.revoke(names)
    had_password = admin.remove_password(names.user)
    quota = quotas.of_users().get(names.user, {})
    if quota:
        quotas.set(names.user, dict.fromkeys(quota))
    done = Done(
        party=party,
        user=names.user,
        topic=names.topic,
        topic_exists=names.topic in admin.topics(),
        group_prefix=names.group_prefix,
        rights_changed=rights_changed,
        quota_changed=bool(quota),
        password=Password.REMOVED if had_password else Password.NONE,
    )
    if as_json:
        print_json(done)
        return
    if not rights_changed and not had_password and not quota:
        click.echo(f"{party} has no access; nothing to remove.")
        return
    print_done(done)


@partners.command("list")
@json_option
@pass_session
def list_partners(session: Session, as_json: bool) -> None:
    """List who has access, and what differs from what `add` gives.

    Ends with code 0 whatever is found; changes nothing.
    """
    settings = session.settings
    admin = AccessAdmin(settings.kafka)
    rights, users, topics = admin.rights(), admin.users(), admin.topics()
    quotas = QuotaAdmin(settings.kafka).of_users()
    prefix = full_name(settings.topics.prefix, PARTNERS)
    parties = {
        names_of(party, settings.topics.prefix).user: party for party in published_parties(session)
    }
    have_rights = {principal.removeprefix("User:") for principal in rights}
    found = []
    for user in sorted(each for each in users | have_rights | quotas.keys()):
        if not user.startswith(prefix):
            continue
        names = names_of_user(user)
        wanted, there = set(rights_of(names)), rights.get(names.principal, set())
        found.append(
            ListedPartner(
                party=parties.get(user),
                user=user,
                topic_exists=user in topics,
                has_password=user in users,
                rights_missing=tuple(sorted(map(str, wanted - there))),
                rights_beyond=tuple(sorted(map(str, there - wanted))),
                quotas=quotas.get(user, {}),
            )
        )
    if as_json:
        print_json(found)
        return
    print_table(
        ("party", "user", "topic", "password", "rights", "quota"),
        (_row(each) for each in found),
    )
    if not found:
        console().print("No party has access. To let one in: slipwatch partners add PARTY")


def _row(each: ListedPartner) -> tuple[str, ...]:
    wrong = [f"lacks {right}" for right in each.rights_missing]
    wrong += [f"beyond: {right}" for right in each.rights_beyond]
    return (
        escape(each.party) if each.party is not None else "not in the network",
        escape(each.user),
        "there" if each.topic_exists else "not there",
        "yes" if each.has_password else "none",
        escape("; ".join(wrong)) or "as given",
        ", ".join(f"{name} {value:g}" for name, value in sorted(each.quotas.items())) or "none",
    )
