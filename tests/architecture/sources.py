"""The project's own files as these tests see them: paths from the root, and syntax trees."""

from __future__ import annotations

import ast
import functools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "topology", "alerts", "streams", "console")

# Where the shell begins. Everything else of these packages, and streams/stages, is the core: a
# function of its arguments, the same on every machine, in every process, at any time.
CORE = ("schemas", "topology", "alerts", "streams/stages")
CORE_DOORS = ("alerts/sinks/", "topology/load.py")


@dataclass(frozen=True)
class Module:
    """One Python file of a package."""

    path: str
    """From the root of the repository, with slashes."""
    text: str
    tree: ast.Module

    @property
    def is_core(self) -> bool:
        inside = any(self.path.startswith(f"{folder}/") for folder in CORE)
        return inside and not self.path.startswith(CORE_DOORS)


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every module of the packages, in the order of their paths."""
    found = []
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            path = file.relative_to(ROOT).as_posix()
            found.append(Module(path, text, ast.parse(text, filename=path)))
    return tuple(found)


def functions(
    tree: ast.AST,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted(node: ast.AST) -> str:
    """`datetime.datetime.now` of the expression that says so; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def imported_names(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """What a module imports, as `time` or `time.monotonic`, with the statement that does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node, f"{'.' * node.level}{node.module or ''}.{alias.name}"


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
