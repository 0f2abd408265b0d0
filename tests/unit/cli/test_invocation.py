"""Commands are printed so that whoever reads them can start them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.cli.invocation import _typed, command_words


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A project's folder with an environment in it, and the command in that."""
    made = tmp_path / "a project" / ".venv" / "bin" / "slipwatch"
    made.parent.mkdir(parents=True)
    made.write_text("", encoding="utf-8")
    return made


def test_below_this_folder_it_is_a_short_path(script: Path) -> None:
    here = script.parents[2]
    python = script.with_name("python")
    assert _typed(script, python, here, None) == ".venv/bin/slipwatch"
    assert _typed(Path(".venv/bin/slipwatch"), python, here, None) == ".venv/bin/slipwatch"
    assert _typed(here / "streams/cli/__main__.py", python, here, None) == ".venv/bin/slipwatch"


def test_elsewhere_it_is_the_whole_path_quoted(script: Path, tmp_path: Path) -> None:
    python = script.with_name("python")
    assert _typed(script, python, tmp_path / "other", None) == f"'{script}'"


def test_it_is_the_name_when_path_leads_to_it_and_not_to_another(
    script: Path, tmp_path: Path
) -> None:
    here, python = script.parents[2], script.with_name("python")
    other = tmp_path / "slipwatch"
    other.write_text("", encoding="utf-8")
    assert _typed(script, python, here, str(script)) == "slipwatch"
    assert _typed(script, python, here, str(other)) == ".venv/bin/slipwatch"


def test_without_a_command_it_is_the_module(tmp_path: Path) -> None:
    started, python = tmp_path / "__main__.py", tmp_path / "python"
    assert _typed(started, python, tmp_path, None) == f"{python} -m streams.cli"


def test_this_process_has_words_too() -> None:
    assert command_words()
