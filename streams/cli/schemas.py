"""`slipwatch schemas`: what is known of a schema registry's ids, and our own schemas into it."""

from __future__ import annotations

import click
import msgspec
from rich.markup import escape

from schemas.facts import Family
from schemas.refusals import Refused as Unreadable
from schemas.registered import RegisteredSchema
from schemas.writers import compile_writer, schema_text
from streams.broker.topics import full_name
from streams.cli.display import print_table
from streams.cli.session import (
    Refused,
    Session,
    console,
    json_option,
    pass_session,
    print_json,
)
from streams.engine.lookups import read_schemas
from streams.exits import Exit
from streams.registry import RegistryHttp, RegistryTrouble


class ListedSchema(msgspec.Struct, frozen=True):
    """One id: the families of facts that can be read by its schema, or why none can."""

    id: int
    families: tuple[str, ...]
    why_not: str = ""


class RegisteredSubject(msgspec.Struct, frozen=True):
    """A schema of ours in the registry."""

    subject: str
    id: int


@click.group()
def schemas() -> None:
    """List the ids of a schema registry that are known; register our schemas in it.

    \b
    Examples:
      slipwatch schemas list
      slipwatch schemas register
    """


@schemas.command("list")
@json_option
@pass_session
def list_schemas(session: Session, as_json: bool) -> None:
    """List the ids that facts have named, and what the registry said of each.

    Reads the topic `schemas`; does not ask the registry.
    """
    with session.log() as log:
        listed = [_listed(each) for each in read_schemas(log).latest()]
    if as_json:
        print_json(listed)
        return
    print_table(
        ("id", "facts of", "why not"),
        ((str(each.id), ", ".join(each.families), escape(each.why_not)) for each in listed),
        title="Schemas of the registry",
    )
    if not listed:
        console().print("No fact has named a schema by an id.")


def _listed(answer: RegisteredSchema) -> ListedSchema:
    if answer.schema is None:
        return ListedSchema(answer.id, (), answer.error)
    readable, whys = [], []
    for family in Family:
        writer = compile_writer(answer.schema, family, f"with id {answer.id}")
        if isinstance(writer, Unreadable):
            whys.append(writer.error)
        else:
            readable.append(family.value)
    return ListedSchema(answer.id, tuple(readable), "" if readable else whys[0])


@schemas.command("register")
@json_option
@pass_session
def register(session: Session, as_json: bool) -> None:
    """Put today's schema of each family of facts into the registry; safe to repeat.

    The subject is the name of the topic with `-value` behind it, where serializers of Confluent's
    look for it. Asks the registry of the settings under `registry`. Ends with code 1 when it does
    not answer or refuses a schema.
    """
    settings = session.settings
    if settings.registry.url is None:
        raise Refused("registry.url is not given: there is no registry to ask", Exit.CONFIGURATION)
    http = RegistryHttp(settings.registry)
    done = []
    for family in Family:
        subject = f"{full_name(settings.topics.prefix, family.value)}-value"
        try:
            done.append(RegisteredSubject(subject, http.register(subject, schema_text(family))))
        except RegistryTrouble as error:
            message = f"the schema registry at {http.address} {error} (subject {subject})"
            raise Refused(message, Exit.FINDINGS) from error
    if as_json:
        print_json(done)
        return
    print_table(("subject", "id"), ((escape(each.subject), str(each.id)) for each in done))
