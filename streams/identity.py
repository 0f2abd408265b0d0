"""Whether the packages that this process imported are ours.

`schemas` and `topology` are names of distributions on the package index too. Where one of those is
installed beside Slipwatch, imports would find it and fail far from the cause; so the command line
asks first.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = ("schemas", "topology", "alerts", "streams", "console")
HOME = Path(__file__).resolve().parent.parent


def foreign_packages(home: Path = HOME) -> tuple[str, ...]:
    """A sentence for each of our packages that Python finds elsewhere, or not at all."""
    said = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if found is None:
            said.append(f"`{name}` is not installed; expected in {home}")
        elif found != home / name:
            said.append(f"`{name}` is found in {found}, which is not ours; expected in {home}")
    return tuple(said)
