"""What the documents tell people to type is understood by the command line."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from streams.cli.root import slipwatch
from tests.architecture.sources import ROOT
from tests.architecture.test_documents import CODE, DOCUMENTS, FENCE

# `slipwatch alerts list --json`, alone in backticks or at the start of a line of an example.
TYPED = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?slipwatch(?P<words>(?: +[^\s#|>]+)*)")


def typed(document: Path) -> list[list[str]]:
    """The words after `slipwatch` of every command that a document shows."""
    text = document.read_text(encoding="utf-8")
    shown = CODE.findall(FENCE.sub("", text))
    for block in FENCE.findall(text):
        shown += block.splitlines()
    matches = [TYPED.match(line) for line in shown]
    return [match["words"].split() for match in matches if match is not None]


def misunderstood(words: list[str]) -> str | None:
    """The first word that no command or option stands for, or None."""
    command: click.Command = slipwatch
    context = click.Context(command)
    for word in words:
        if isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            found = command.get_command(context, word)
            if found is None:
                return word
            command = found
        elif word.startswith("--"):
            names = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
            if word.split("=", maxsplit=1)[0] not in {*names, "--help"}:
                return word
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_a_document_shows_exists(document: Path) -> None:
    wrong = [
        f"slipwatch {' '.join(words)}: {word}"
        for words in typed(document)
        if (word := misunderstood(words)) is not None
    ]
    assert not wrong


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert misunderstood(["demo", "--seconds", "20"]) is None
    assert misunderstood(["demo", "--minutes", "20"]) == "--minutes"
    assert misunderstood(["alerts", "burn"]) == "burn"
