"""A package of the same name from elsewhere is found out before anything is imported from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from streams.identity import PACKAGES, foreign_packages

ROOT = Path(__file__).resolve().parents[3]


def test_our_own_packages_are_ours() -> None:
    assert foreign_packages() == ()


def test_packages_of_another_installation_are_not(tmp_path: Path) -> None:
    said = foreign_packages(tmp_path)
    assert len(said) == len(PACKAGES)
    assert f"`schemas` is found in {ROOT / 'schemas'}, which is not ours" in said[0]


def test_a_foreign_topology_stops_the_command_with_a_clear_line(tmp_path: Path) -> None:
    foreign = tmp_path / "topology"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from streams.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 3
    assert f"`topology` is found in {foreign}, which is not ours" in ran.stderr
    assert "Traceback" not in ran.stderr
