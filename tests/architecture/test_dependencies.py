"""Every dependency is explained, locked with hashes, and free to use."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.sources import ROOT, project

DOCUMENT = ROOT / "docs" / "dependencies.md"
LOCK = ROOT / "requirements.lock"
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;]+)", re.MULTILINE)
COPYLEFT = re.compile(
    r"\bA?GPL|(?<!Lesser )General Public License|Affero|SSPL|Business Source", re.IGNORECASE
)


def runtime() -> list[Requirement]:
    return [Requirement(line) for line in project()["project"]["dependencies"]]


def development() -> list[Requirement]:
    return [Requirement(line) for line in project()["dependency-groups"]["dev"]]


def name_of(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


def rows_under(heading: str) -> set[str]:
    """The names in the first column of the table under a heading of docs/dependencies.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    section = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/dependencies.md has no heading {heading!r}"
    return {
        canonicalize_name(name)
        for name in re.findall(r"^\| `([^`]+)` \|", section.group(1), re.MULTILINE)
    }


def pinned() -> dict[str, str]:
    text = LOCK.read_text(encoding="utf-8")
    return {canonicalize_name(pin["name"]): pin["version"] for pin in PINNED.finditer(text)}


@pytest.mark.parametrize(
    ("heading", "required"), [("At run time", runtime()), ("For development", development())]
)
def test_every_dependency_has_a_row_and_every_row_a_dependency(
    heading: str, required: list[Requirement]
) -> None:
    assert rows_under(heading) == {name_of(requirement) for requirement in required}


def test_the_lock_holds_what_the_project_requires() -> None:
    locked = pinned()
    outdated = [
        f"{requirement} (locked: {locked.get(name_of(requirement), 'not at all')})"
        for requirement in runtime() + development()
        if not requirement.specifier.contains(locked.get(name_of(requirement), "0"))
    ]
    assert not outdated, f"run `make lock`: {outdated}"


def test_the_lock_asks_for_nothing_that_the_project_no_longer_requires() -> None:
    text = LOCK.read_text(encoding="utf-8")
    required = {name_of(requirement) for requirement in runtime() + development()}
    direct = set()
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE):
        pin = PINNED.match(entry)
        if pin is not None and "slipwatch (pyproject.toml" in entry:
            direct.add(canonicalize_name(pin["name"]))
    assert direct == required, "run `make lock`"


def test_the_lock_names_no_address_and_hashes_everything() -> None:
    text = LOCK.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE):
        if PINNED.match(entry):
            assert "--hash=sha256:" in entry, entry.splitlines()[0]


def closure(requirements: list[Requirement]) -> Iterator[importlib.metadata.Distribution]:
    """The installed distributions that these requirements bring, each once."""
    waiting = list(requirements)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (name_of(requirement), frozenset(requirement.extras))
        if key in seen:
            continue
        is_new = all(name != key[0] for name, _ in seen)
        seen.add(key)
        distribution = importlib.metadata.distribution(key[0])
        if is_new:
            yield distribution
        extras = requirement.extras or {""}
        for line in distribution.requires or ():
            needed = Requirement(line)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append(needed)


def licence(distribution: importlib.metadata.Distribution) -> str:
    """What the distribution says of its licence: the expression or text, and the classifiers."""
    metadata = distribution.metadata
    expressions = metadata.get_all("License-Expression") or metadata.get_all("License") or []
    classifiers = [
        line for line in metadata.get_all("Classifier") or () if line.startswith("License ::")
    ]
    return " ; ".join(filter(None, [*expressions, *classifiers]))


def test_every_licence_lets_the_project_stay_under_its_own() -> None:
    licences = {distribution.name: licence(distribution) for distribution in closure(runtime())}
    assert len(licences) > len(runtime())
    silent = sorted(name for name, text in licences.items() if not text)
    assert not silent, f"no licence stated: {silent}"
    refused = {
        name: text
        for name, text in licences.items()
        # "MIT OR GPL-2.0" leaves the choice.
        if COPYLEFT.search(text) and " OR " not in text
    }
    assert not refused


@pytest.mark.parametrize(
    "text",
    ["GPL-3.0-or-later", "AGPL-3.0-only", "GNU General Public License v3 (GPLv3)", "GNU Affero"],
)
def test_copyleft_is_recognised(text: str) -> None:
    assert COPYLEFT.search(text)


@pytest.mark.parametrize("text", ["MIT", "LGPL-2.1", "GNU Lesser General Public License v3", "BSD"])
def test_other_licences_are_not_taken_for_copyleft(text: str) -> None:
    assert not COPYLEFT.search(text)
