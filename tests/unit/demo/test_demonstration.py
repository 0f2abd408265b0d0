"""A demo ends as interrupted, whatever the interrupt breaks on its way."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from streams.demo.demonstration import Demonstration
from streams.demo.lines import PlainLines
from tests.unit.demo.pieces import OPTIONS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_handlers_are_as_before(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Demonstration(OPTIONS, _shown()):
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


def test_an_interrupt_that_the_client_turned_into_another_error_is_still_one() -> None:
    with pytest.raises(KeyboardInterrupt), Demonstration(OPTIONS, _shown()):
        _work_like_the_client()


def test_an_interrupt_that_was_swallowed_ends_it_all_the_same() -> None:
    with pytest.raises(KeyboardInterrupt), Demonstration(OPTIONS, _shown()), suppress(SystemError):
        _work_like_the_client()


def test_a_fault_without_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(SystemError), Demonstration(OPTIONS, _shown()):
        raise SystemError


def _shown() -> PlainLines:
    said: list[str] = []
    return PlainLines(said.append)


def _work_like_the_client() -> None:
    """What Kafka's client makes of an interrupt that comes while it works."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise SystemError("returned NULL without setting an exception") from None
