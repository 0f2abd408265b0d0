"""Time zones from the database that is installed with Slipwatch, never from the operating system.

Two workers whose systems know different rules for a zone would disagree on when a promise falls
due; the lock file pins one database for all of them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


@cache
def zone_names() -> frozenset[str]:
    """All names of the IANA database that is installed."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that IANA name; ValueError when the database has none."""
    if name not in zone_names():
        raise ValueError(f"{name!r} is not a time zone of the IANA database")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
