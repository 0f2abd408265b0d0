"""What a sink promises, and how it says that it failed."""

from __future__ import annotations

from typing import Protocol

from schemas.records import Notification


class Recoverable(Exception):
    """Not delivered now, but it may work later; `retry_after_s` is how long the other side asks to
    be left alone, None where it says nothing. The text is safe to log and to show."""

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


class Permanent(Exception):
    """Not delivered, and trying again will not help. The text is safe to log and to show."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Sink(Protocol):
    """A way out to people or their systems.

    `deliver` returns when the other side has taken the notification, and raises Recoverable or
    Permanent, nothing else, when it has not. It may be called again with the same notification,
    whose id is then the same, and several at a time. It never changes what it is given and never
    logs the text of a notification at a level above debug, except the log sink, whose task it is.
    """

    async def deliver(self, notification: Notification) -> None:
        """Hands the notification over."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds; called once, when nothing is being delivered."""
        ...
