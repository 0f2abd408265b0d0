"""How the command was started, to print commands that whoever reads them can start too."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

NAME = "slipwatch"


def command_words() -> str:
    """What to type for `slipwatch` in this folder, quoted for a shell.

    Just that when PATH leads to the very file that was started; otherwise its path, shorter when it
    lies below the current folder; without such a file the interpreter with the module.
    """
    return _typed(Path(sys.argv[0]), Path(sys.executable), Path.cwd(), shutil.which(NAME))


def _typed(started: Path, interpreter: Path, folder: Path, on_path: str | None) -> str:
    script = started if started.name == NAME else interpreter.with_name(NAME)
    script = folder / script
    if on_path is not None and script.exists() and script.samefile(on_path):
        return NAME
    if not script.is_file():
        return f"{shlex.quote(str(interpreter))} -m streams.cli"
    shown = script.relative_to(folder) if script.is_relative_to(folder) else script
    return shlex.quote(str(shown))
