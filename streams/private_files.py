"""Files that are for us alone: looked at before they are read, and replaced as a whole."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def check_private(path: Path) -> str:
    """What is wrong with the mode of the file; empty when only we can read and write it. A group
    that may read it is allowed: so it is mounted from a secret. Raises OSError without it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o037:
        return ""
    return (
        f"{path} has the mode {mode:04o}, expected 0600 (or 0440, where it is mounted): "
        f"others must not read it, nor the group write it; run: chmod 600 {path}"
    )


def write_private(path: Path, data: bytes) -> None:
    """In place of the file at once, readable by us alone from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(made).replace(path)
