"""What is handed to a partner: the settings of its client, and two lines that read its topic."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from streams.broker.access import MECHANISM, AccessNames
from streams.cli.session import Refused, print_json
from streams.exits import Exit
from streams.settings import KafkaSettings, SecurityProtocol

SETTINGS_FILE = "slipwatch.properties"
SASL_PROTOCOLS = (SecurityProtocol.SASL_SSL.value, SecurityProtocol.SASL_PLAINTEXT.value)


class Password(enum.StrEnum):
    """What became of a party's password."""

    MADE = "made"
    KEPT = "kept"
    REPLACED = "replaced"
    REMOVED = "removed"
    NONE = "none"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did for a party. `settings` are the client's, shown this once, or none where
    the password was kept; `consumer` are two lines of Python that read the topic with them."""

    party: str
    user: str
    topic: str
    topic_exists: bool
    is_subscribed: bool | None = None
    group_prefix: str
    rights_changed: int
    quota_changed: bool
    password: Password
    settings: dict[str, str] | None = None
    settings_file: str | None = None
    consumer: tuple[str, ...] = ()


def is_new(file: Path | None) -> None:
    """Refuses a file that is there, before anything is changed."""
    if file is not None and file.exists():
        raise Refused(f"{file} is there already; name a new file", Exit.USAGE)


def client_settings(
    kafka: KafkaSettings,
    names: AccessNames,
    password: str | None,
    servers: str | None,
    protocol: str | None,
) -> dict[str, str] | None:
    """What a client of the party must be told, in the words of librdkafka; None without a password
    to tell."""
    if password is None:
        return None
    own = kafka.security_protocol.value
    authority = {"ssl.ca.location": kafka.ssl_ca_file.name} if kafka.ssl_ca_file else {}
    return {
        "bootstrap.servers": servers or kafka.bootstrap_servers,
        "security.protocol": protocol
        or (own if own in SASL_PROTOCOLS else SecurityProtocol.SASL_SSL.value),
        "sasl.mechanism": MECHANISM.value,
        "sasl.username": names.user,
        "sasl.password": password,
        "group.id": f"{names.group_prefix}main",
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        **authority,
    }


def _consumer(names: Done, file: str) -> tuple[str, ...]:
    """Two lines of Python for confluent-kafka that print the topic, with the settings in a file."""
    settings = f"dict(line.strip().split('=', 1) for line in open({file!r}))"
    return (
        f"import confluent_kafka as k; c = k.Consumer({settings}); c.subscribe([{names.topic!r}])",
        "while True: print((m := c.poll(60)) and (m.error() or m.value()))",
    )


def hand_over(
    done: Done, given: dict[str, str] | None, file: Path | None, *, as_json: bool
) -> None:
    """Says what was done, and hands the settings over, in the file or here."""
    if given is not None:
        consumer = _consumer(done, str(file or SETTINGS_FILE))
        if file is not None:
            write_secret(file, _properties(given), "slipwatch partners rotate makes another")
            done = replace(done, settings_file=str(file), consumer=consumer)
        else:
            done = replace(done, settings=given, consumer=consumer)
    if as_json:
        print_json(done)
        return
    print_done(done)
    if given is None:
        return
    if file is not None:
        click.echo(f"The client's settings, with the password, are in {file}.")
    else:
        click.echo(f"The client's settings, shown this once (keep them as {SETTINGS_FILE}):\n")
        click.echo(_properties(given))
    if authority := given.get("ssl.ca.location"):
        click.echo(f"Hand over {authority} (kafka.ssl_ca_file) too: the broker's certificates.")
    click.echo("Two lines of Python (pip install confluent-kafka) that read the topic:\n")
    for line in done.consumer:
        click.echo(line)


def print_done(done: Done) -> None:
    """What was done, for people."""
    click.echo(f"{done.party}: user {done.user}, groups {done.group_prefix}*")
    click.echo(f"  rights    {done.rights_changed or 'none'} changed")
    click.echo(f"  quota     {'changed' if done.quota_changed else 'not changed'}")
    click.echo(f"  password  {done.password}")
    if done.is_subscribed is False:
        click.echo("  The network does not say `subscribed: true` of it: nothing is told it.")
    if not done.topic_exists:
        click.echo(f"  The topic {done.topic} is not there (yet).")


def _properties(given: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in given.items())


def write_secret(file: Path, text: str, otherwise: str) -> None:
    """Into a new file that only we may read. Refuses where that cannot be done: the secret is lost,
    and `otherwise` says what to do."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise Refused(
            f"{file} cannot be written ({error.strerror}), and the secret is lost with it: "
            f"{otherwise}",
            Exit.FINDINGS,
        ) from error
