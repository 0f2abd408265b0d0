"""The sink that is always there: one line in the log for each notification."""

from __future__ import annotations

import structlog

from schemas.records import Notification

NOTIFICATION = "notification"
"""The event's name in the log."""


class LogSink:
    """Writes each notification as one event; it cannot fail for reasons of its own."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("slipwatch.notifications")

    async def deliver(self, notification: Notification) -> None:
        """One line at level info: who, what, how bad, and what to do."""
        self._log.info(
            NOTIFICATION,
            id=notification.notification_id,
            recipient=notification.recipient,
            what=notification.event,
            alert=notification.alert_id,
            severity=notification.severity.value,
            title=notification.title,
            next_step=notification.next_step,
        )

    async def close(self) -> None:
        """Nothing to let go of."""
