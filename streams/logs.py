"""Logs of the process: structlog to standard error, in text for people or JSON for machines.

Only the shell logs. Event names are constants in snake_case, next to the code that uses them;
values are ids, counts and reasons, never payloads above debug level and never secrets.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from streams.settings import LogFormat, LogSettings

FOREIGN_LEVEL = logging.WARNING
"""Libraries speak of their inner life below this; nobody acts on it."""

QUIET_LEVEL = logging.CRITICAL
QUIET = ("faust", "mode", "aiokafka")
"""They log each error with its traceback, and then it reaches us, who say it in one line. With
`log.level` debug they speak."""

OURS = ("slipwatch", "streams", "alerts", "console", "topology")

LOGGERS = (*QUIET, *OURS)
"""Those that have a level of their own; all else speaks from the root's level on."""

SERVICE_LOGGER = logging.getLogger("mode")
"""For services of ours that mode starts and stops: it tells so with its own, not as ours."""


def set_up_logs(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Send our logs, and the warnings of libraries, to the stream. Called once, by a command."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    match settings.format:
        case LogFormat.TEXT:
            renderer = structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                # The default prints local variables too, and with them passwords.
                exception_formatter=structlog.dev.plain_traceback,
            )
        case LogFormat.JSON:
            shared.append(structlog.processors.format_exc_info)
            renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(FOREIGN_LEVEL)
    for name in QUIET:
        logging.getLogger(name).setLevel(level if level <= logging.DEBUG else QUIET_LEVEL)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
