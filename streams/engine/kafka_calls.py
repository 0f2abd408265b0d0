"""Calls of the Kafka client that may never come back, made on a thread of their own.

Seen with librdkafka 2.16: after its connections were cut inside a transaction, the call that sends
offsets waits for the group's coordinator beyond any timeout that it is given, although the broker
is there and every other client talks to it. A worker must not wait with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from confluent_kafka import KafkaException

GRACE_S = 3.0
"""How much longer a call may take than the time that it is given, before it is given up."""

CALL_LOST = "the client does not come back from a call"

_Job = tuple[Callable[..., Any], tuple[Any, ...]]


class CallLost(Exception):
    """The call has not come back; its thread is left behind, and nothing more may be called."""


class Caller:
    """Makes one call after another for one client. Begin a new one with each client."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._answers: SimpleQueue[KafkaException | None] = SimpleQueue()
        # It never holds up the end of the process.
        thread = threading.Thread(
            target=_serve, args=(self._jobs, self._answers), name=name, daemon=True
        )
        thread.start()

    def call(self, operation: Callable[..., Any], *arguments: Any, timeout_s: float) -> None:
        """Calls with the timeout as last argument. Raises what it raises, or CallLost."""
        self._jobs.put((operation, (*arguments, timeout_s)))
        try:
            answer = self._answers.get(timeout=timeout_s + GRACE_S)
        except Empty as error:
            raise CallLost from error
        if answer is not None:
            raise answer

    def close(self) -> None:
        """The thread ends, at once or when its last call comes back."""
        self._jobs.put(None)


def _serve(jobs: SimpleQueue[_Job | None], answers: SimpleQueue[KafkaException | None]) -> None:
    while (job := jobs.get()) is not None:
        operation, arguments = job
        answer: KafkaException | None = None
        try:
            operation(*arguments)
        except KafkaException as error:
            answer = error.with_traceback(None)
        # The client ends when its owner lets go of it, and not when the next job comes.
        del job, operation, arguments
        answers.put(answer)
        del answer
