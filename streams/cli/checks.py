"""`slipwatch check`: is everything there that a chain needs, and if not, what to do."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import click
import msgspec

from alerts.policy import Policy, PolicyFormatError
from streams.broker.topics import BrokerUnreachable, TopicAdmin, TopicsNotAnswered, TopicState
from streams.cli.session import Session, finish, json_option, pass_session, print_json
from streams.cli.view_client import ViewClient, ViewSaysNo, ViewUnreachable
from streams.config import ConfigurationError
from streams.engine.log import LogError
from streams.exits import Exit
from streams.published import read_published
from streams.registry import RegistryHttp, RegistryTrouble


class Verdict(enum.StrEnum):
    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class Checked(msgspec.Struct, frozen=True):
    """What was checked, how it is, and what to do about it."""

    what: str
    verdict: Verdict
    says: str
    do: str = ""


@click.command()
@json_option
@pass_session
def check(session: Session, as_json: bool) -> None:
    """Check configuration, broker, topics, network, policy, registry and view; say what to do.

    Ends with code 1 when there is a problem. Changes nothing.

    \b
    Examples:
      slipwatch check
      slipwatch check --json
    """
    found = []
    for each in _checks(session):
        found.append(each)
        if not as_json:
            click.echo(f"{each.verdict.value:<8} {each.what:<14} {each.says}")
            if each.do:
                click.echo(f"{'':<23} {each.do}")
    if as_json:
        print_json(found)
    if any(each.verdict is Verdict.PROBLEM for each in found):
        finish(Exit.FINDINGS)


def _checks(session: Session) -> Iterator[Checked]:
    try:
        loaded = session.loaded
    except ConfigurationError as error:
        for problem in error.problems:
            yield Checked("configuration", Verdict.PROBLEM, problem, "Correct it and check again.")
        return
    source = f"from {loaded.file}" if loaded.file else "no file; environment and defaults"
    if loaded.warnings:
        yield Checked("configuration", Verdict.NOTE, "; ".join(loaded.warnings))
    else:
        yield Checked("configuration", Verdict.OK, source)
    topics = _topics(session)
    yield from topics
    if topics[0].verdict is Verdict.OK:
        yield _published(session, "network", "networks", "slipwatch network publish DIR")
        yield _published(session, "policy", "policies", "slipwatch policy publish FILE")
    else:
        for what in ("network", "policy"):
            yield Checked(what, Verdict.SKIPPED, "the broker does not answer")
    if session.settings.registry.url is not None:
        yield _registry(session)
    yield _view(session)


def _topics(session: Session) -> list[Checked]:
    settings = session.settings
    address = settings.kafka.bootstrap_servers
    try:
        findings = TopicAdmin(settings.kafka).check(settings.topics)
    except TopicsNotAnswered as error:
        return [
            Checked("broker", Verdict.OK, f"answers at {address}"),
            Checked("topics", Verdict.SKIPPED, str(error)),
        ]
    except BrokerUnreachable as error:
        return [
            Checked(
                "broker",
                Verdict.PROBLEM,
                str(error),
                "Is it running? kafka.bootstrap_servers, kafka.security_protocol and the "
                "credentials must be right.",
            ),
            Checked("topics", Verdict.SKIPPED, "the broker does not answer"),
        ]
    answers = [Checked("broker", Verdict.OK, f"answers at {address}")]
    missing = [each.name for each in findings if each.state is TopicState.MISSING]
    if missing:
        says = f"{len(missing)} of {len(findings)} are missing, such as {missing[0]}"
        answers.append(Checked("topics", Verdict.PROBLEM, says, "slipwatch topics create"))
    for each in findings:
        answers += [
            Checked("topics", Verdict.PROBLEM, f"{each.name}: {said}") for said in each.differences
        ]
        answers += [Checked("topics", Verdict.NOTE, f"{each.name}: {said}") for said in each.notes]
    if len(answers) == 1:
        answers.append(Checked("topics", Verdict.OK, f"all {len(findings)} are as they should be"))
    return answers


def _published(session: Session, what: str, topic: str, publish: str) -> Checked:
    try:
        with session.log() as log:
            versions = list(read_published(log, topic))
    except LogError as error:
        return Checked(what, Verdict.PROBLEM, error.what, error.then)
    except BrokerUnreachable as error:
        return Checked(what, Verdict.PROBLEM, str(error))
    if not versions:
        says = "none is published; " + (
            "the defaults apply" if what == "policy" else "lines are judged without lanes and sites"
        )
        return Checked(what, Verdict.NOTE, says, publish)
    newest = versions[-1]
    says = f"{newest.version}, of {newest.published_at.isoformat()}"
    return _policy(newest.data, says) if what == "policy" else Checked(what, Verdict.OK, says)


def _policy(data: bytes, says: str) -> Checked:
    try:
        is_shadow = Policy.from_bytes(data).is_shadow
    except PolicyFormatError as error:
        return Checked("policy", Verdict.PROBLEM, f"{says}: {error}")
    if not is_shadow:
        return Checked("policy", Verdict.OK, says)
    return Checked(
        "policy",
        Verdict.NOTE,
        f"{says}; shadow mode: nobody is told",
        "slipwatch shadow report says what they would be; `shadow: false` in the policy ends it",
    )


def _registry(session: Session) -> Checked:
    try:
        http = RegistryHttp(session.settings.registry)
        count = http.subjects()
    except RegistryTrouble as error:
        says = f"the schema registry at {http.address} {error}"
        return Checked("registry", Verdict.PROBLEM, says, "See the settings under `registry`.")
    return Checked("registry", Verdict.OK, f"answers at {http.address}, {count} subjects")


def _view(session: Session) -> Checked:
    address = str(session.settings.view_url)
    try:
        ViewClient(address).get("/ready")
    except (ViewUnreachable, ViewSaysNo) as error:
        return Checked("view", Verdict.PROBLEM, str(error), "slipwatch view")
    return Checked("view", Verdict.OK, f"answers at {address}, level with the topics")
