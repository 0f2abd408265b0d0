"""How long to wait before asking again whoever failed to answer."""

from __future__ import annotations


def backoff_seconds(failures: int, least: float, most: float, chance: float) -> float:
    """How long to wait after so many failures in a row (1 is the first).

    Doubles each time up to `most`; `chance` in [0, 1) takes away up to half of it, so that
    recipients that failed together do not come back together.
    """
    whole = min(most, least * 2.0 ** min(failures - 1, 60))
    return whole * (1.0 - chance / 2.0)
