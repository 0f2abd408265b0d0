"""The only door of `alerts` to the world: sinks hand notifications to people and their systems.

`streams` builds sinks from its configuration and calls them; the rest of `alerts` never imports
this package. It does no retrying: a sink says whether trying again may help, and who called
decides.
"""

from alerts.sinks.log import LogSink
from alerts.sinks.mail import MailServer, MailSink
from alerts.sinks.sink import Permanent, Recoverable, Sink
from alerts.sinks.webhook import Secret, SecretRefused, WebhookSink

SINKS: tuple[type[LogSink] | type[MailSink] | type[WebhookSink], ...] = (
    LogSink,
    MailSink,
    WebhookSink,
)
"""Every kind of sink; each passes the contract in `tests/contract/test_sinks.py`."""

__all__ = [
    "SINKS",
    "LogSink",
    "MailServer",
    "MailSink",
    "Permanent",
    "Recoverable",
    "Secret",
    "SecretRefused",
    "Sink",
    "WebhookSink",
]
