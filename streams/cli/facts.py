"""`slipwatch send`: publish facts, each answered accepted or refused."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from schemas.addresses import fact_topic
from schemas.facts import Fact
from schemas.json_facts import Problem, read_facts
from schemas.limits import FACT_FILE_BYTES_MAX
from streams.cli.session import Session, finish, json_option, pass_session, print_json
from streams.exits import Exit
from streams.sending import Refusal, Sender


class Answered(msgspec.Struct, frozen=True):
    """What became of one fact, or of an object at a line of the file that is none."""

    accepted: bool
    event_id: str | None = None
    topic: str | None = None
    line: int | None = None
    errors: tuple[str, ...] = ()


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Check the facts and send nothing.")
@json_option
@pass_session
def send(session: Session, file: Path, dry_run: bool, as_json: bool) -> None:
    """Check the facts in FILE (JSON objects, one a line; - is standard input) and publish them.

    Every fact is answered: accepted, once the broker has it, or refused, with the line, the field
    and the reason. Those that are good are sent even if others are refused. Ends with code 1 when
    any was refused.

    \b
    Examples:
      slipwatch send facts.jsonl
      slipwatch send --dry-run facts.jsonl
      generate-facts | slipwatch send -
    """
    facts, problems = read_facts(_read(file), file.name if str(file) != "-" else "(stdin)")
    refusals: tuple[Refusal, ...] = ()
    if not dry_run and facts:
        _, refusals = Sender(session.settings).send_facts(facts)
    answers = _answers(facts, refusals, problems)
    if as_json:
        print_json({"dry_run": dry_run, "answers": answers} | _counts(answers))
    else:
        _print(answers, dry_run=dry_run)
    if any(not answer.accepted for answer in answers):
        finish(Exit.FINDINGS)


def _read(file: Path) -> bytes:
    """The bytes of the file, or one more than there may be."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(FACT_FILE_BYTES_MAX + 1)
        with file.open("rb") as opened:
            return opened.read(FACT_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise click.BadParameter(f"{file}: {error.strerror}", param_hint="FILE") from error


def _answers(
    facts: list[Fact], refusals: tuple[Refusal, ...], problems: list[Problem]
) -> list[Answered]:
    refused = {refusal.index: refusal.why for refusal in refusals}
    sent = [
        Answered(
            accepted=index not in refused,
            event_id=fact.event_id,
            topic=fact_topic(fact),
            errors=(f"the broker did not take it: {refused[index]}",) if index in refused else (),
        )
        for index, fact in enumerate(facts)
    ]
    wrong: dict[int, list[str]] = {}
    for problem in problems:
        wrong.setdefault(problem.line, []).append(str(problem))
    lines = sorted(wrong.items())
    return sent + [
        Answered(accepted=False, line=line, errors=tuple(errors)) for line, errors in lines
    ]


def _counts(answers: list[Answered]) -> dict[str, int]:
    accepted = sum(answer.accepted for answer in answers)
    return {"accepted": accepted, "refused": len(answers) - accepted}


def _print(answers: list[Answered], *, dry_run: bool) -> None:
    for answer in answers:
        if answer.accepted:
            click.echo(f"{'valid' if dry_run else 'accepted'}  {answer.event_id}  {answer.topic}")
        else:
            for error in answer.errors:
                click.echo(f"refused   {answer.event_id or ''}  {error}")
    counts = _counts(answers)
    word = "valid, nothing was sent" if dry_run else "accepted"
    click.echo(f"{counts['accepted']} {word}; {counts['refused']} refused.")
