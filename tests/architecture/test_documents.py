"""What the documents name exists, and what exists is named in ARCHITECTURE.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, modules

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
TOP_FOLDERS = (*PACKAGES, "tests", "bench", "docs", "examples", "deploy", ".ci")
FILE_SUFFIXES = (".py", ".md", ".toml", ".lock", ".avsc", ".xml", ".yaml", ".yml", ".csv")
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def prose(document: Path) -> str:
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def is_path(word: str) -> bool:
    """A word in backticks that promises a file or folder of this repository."""
    if not re.fullmatch(r"[\w./<>*-]+", word) or word.startswith("/"):
        return False
    first = word.split("/", maxsplit=1)[0]
    return ("/" in word and first in TOP_FOLDERS) or (
        "/" not in word and word.endswith(FILE_SUFFIXES) and word != ".py"
    )


def exists(word: str) -> bool:
    """Whether it is there; for a `<placeholder>` or `PLACEHOLDER`, whether one of its kind is."""
    if (ROOT / word).exists():
        return True
    pattern = re.sub(r"<\w+>|\b[A-Z]{3,}\b", "*", word)
    return "*" in pattern and any(ROOT.glob(pattern))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_a_document_names_exists(document: Path) -> None:
    missing = sorted(
        {word for word in CODE.findall(prose(document)) if is_path(word) and not exists(word)}
    )
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    missing = sorted(
        target
        for target in LINK.findall(prose(document))
        if "://" not in target
        and not target.startswith("mailto:")
        and not (document.parent / target).exists()
    )
    assert not missing


def test_architecture_names_every_package_and_every_stage() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(CODE.findall(text))
    wanted = {
        module.path.removesuffix("__init__.py")
        for module in modules()
        if module.path.endswith("/__init__.py")
    }
    wanted |= {
        module.path
        for module in modules()
        if module.path.startswith("streams/stages/") and not module.path.endswith("__init__.py")
    }
    assert sorted(wanted - named) == []


def test_architecture_fits_on_a_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_every_make_target_a_document_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"^\s*make ([a-z]+)|`make ([a-z]+)", document.read_text("utf-8"))
        for target in target
        if target
    }
    assert named
    assert named <= targets


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))]
    assert numbers == list(range(len(numbers)))
