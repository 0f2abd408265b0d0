"""What people see: the screen in its sizes, the plain lines, the words."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from schemas.payment_records import Clearance, LinePayment, PaidFor
from schemas.records import Alert, AlertState, FeedStatus, Progress, Severity, Standing, encode
from schemas.stock_records import StockStanding
from schemas.units import instant
from streams.demo.board import Board
from streams.demo.lines import PlainLines
from streams.demo.scene import Scene
from streams.demo.screen import LiveScreen, draw
from streams.demo.spotlight import HOLD_SECONDS, Spotlight
from streams.demo.words import pace, short_money, short_values, stopwatch
from tests.unit.demo.pieces import NOW, OPTIONS, a_line, a_node, an_alert


def a_scene(
    alerts: Sequence[Alert], *, seconds: float = 10.0, is_past: bool = False, note: str = ""
) -> Scene:
    board = Board()
    for alert in alerts:
        board.take("alerts", b"", encode(alert))
    for number, standing in enumerate(Standing):
        line = a_line(str(number), standing, Progress.CONFIRMED, 1_234_567_00)
        board.take("order-status", b"", encode(line))
    for name, how in (("A@X", StockStanding.SHORT), ("B@X", StockStanding.ENOUGH)):
        board.take("stock-status", name.encode(), encode(a_node(name, how)))
    owed = LinePayment(
        paid_for=PaidFor.UNPAID, clearance=Clearance.HELD, why="", currency="EUR",
        open_minor=2_000_000_00, invoices=("I",),
    )  # fmt: skip
    held = a_line("held", Standing.ON_TIME, Progress.CONFIRMED, 0, owed)
    board.take("order-status", b"", encode(held))
    feed = FeedStatus(source="seaways", tick=1, at=instant(NOW), blind=True, declared=True)
    board.take("feeds", b"", encode(feed))
    return Scene(
        options=OPTIONS,
        board=board,
        news=tuple(board.news_since()),
        now=NOW,
        clock_seconds=seconds,
        elapsed_seconds=seconds,
        facts=12_345,
        facts_per_second=678,
        ticks_per_second=4.2,
        speed=57_600.0,
        view_address="http://127.0.0.1:40000",
        is_past=is_past,
        note=note,
    )


def drawn(scene: Scene, width: int, height: int) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None
    )
    spotlight = Spotlight()
    spotlight.take(scene.news)
    console.print(draw(scene, spotlight, console), end="")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(72, 20), (80, 24), (140, 45), (200, 60)])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_screen_is_as_large_as_the_terminal(width: int, height: int, count: int) -> None:
    lines = drawn(a_scene([an_alert(f"ACME/{n}") for n in range(count)]), width, height)
    assert len(lines) == height
    assert max(len(line) for line in lines) <= width
    assert "http://127.0.0.1:40000" in lines[-1]


def test_a_screen_says_what_is_wrong_what_it_is_worth_why_and_what_to_do() -> None:
    alert = an_alert("ACME/4711", severity=Severity.CRITICAL)
    text = "\n".join(drawn(a_scene([alert]), 100, 30))
    for said in (
        alert.title,
        alert.cause,
        alert.next_step,
        "120,000.00 EUR at risk",
        "1 alert open",
        "1 critical",
        "1.2 M",
        "at risk",
        "blind: seaways",
        "1 short, 1 enough",
        "2.0 M EUR to be paid, 1 line held",
        "12,345, 678 a second",
        "a day every 1.5 s",
        "0:10 of 1:00",
    ):
        assert said in text, said


def test_a_note_stands_in_the_title() -> None:
    assert "Reading the past" in drawn(a_scene([], note="Reading the past"), 80, 24)[0]


def test_a_small_terminal_gets_plain_lines() -> None:
    def fits(width: int, height: int) -> bool:
        return LiveScreen.fits(Console(width=width, height=height))

    assert fits(72, 20)
    assert not fits(71, 20)
    assert not fits(72, 19)


def test_an_alert_is_held_long_enough_to_be_read_then_comes_the_worst() -> None:
    spotlight = Spotlight()
    spotlight.take((an_alert("first"),))
    assert [each.alert_id for each in spotlight.choose(1, 0.0)] == ["first"]
    spotlight.take((an_alert("mild"), an_alert("grave", severity=Severity.MAJOR)))
    assert [each.alert_id for each in spotlight.choose(1, HOLD_SECONDS - 0.1)] == ["first"]
    assert [each.alert_id for each in spotlight.choose(1, HOLD_SECONDS)] == ["grave"]
    assert [each.alert_id for each in spotlight.choose(2, HOLD_SECONDS)] == ["grave", "mild"]
    assert [each.alert_id for each in spotlight.ticker] == ["grave", "mild", "first"]


def test_what_is_resolved_is_listed_and_not_chosen() -> None:
    spotlight = Spotlight()
    spotlight.take((an_alert("over", state=AlertState.RESOLVED),))
    assert spotlight.choose(3, 0.0) == []
    assert [each.alert_id for each in spotlight.ticker] == ["over"]


def test_plain_lines_tell_the_worst_of_the_past_then_each_alert_and_a_status() -> None:
    lines: list[str] = []
    plain = PlainLines(lines.append)
    past = [an_alert(f"ACME/{n}") for n in range(8)] + [an_alert("BAD", severity=Severity.MAJOR)]
    plain.prepare("Starting")
    plain.show(a_scene(past, seconds=0.0, is_past=True))
    assert lines == ["Starting ..."]
    plain.show(a_scene([an_alert("NEW")], seconds=0.1))
    assert lines[1] == "9 alerts open from the past; the worst of them:"
    assert "BAD" in lines[2]
    assert "NEW" in lines[7]
    assert "seaways" in lines[8]
    assert "stock: 1 short, 1 enough; money: 2.0 M EUR to be paid, 1 line held" in lines[8]
    plain.show(a_scene([], seconds=3.0))
    assert len(lines) == 9
    plain.show(a_scene([], seconds=5.2))
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("value_minor", "currency", "expected"),
    [
        (0, "EUR", "0"),
        (99_949, "EUR", "999"),
        (99_950_00, "EUR", "100 k"),
        (123_456_00, "EUR", "123 k"),
        (99_999_999, "EUR", "1.0 M"),
        (123_456_789_00, "EUR", "123 M"),
        (5_000_000_000_00, "EUR", "5.0 bn"),
        (1_500, "JPY", "1.5 k"),
        (1_500, "KWD", "2"),
    ],
)
def test_amounts_are_short(value_minor: int, currency: str, expected: str) -> None:
    assert short_money(value_minor, currency) == expected


def test_currencies_are_never_added_up() -> None:
    assert short_values({"EUR": 120_00, "SGD": 0, "USD": 5_000_00}) == "120 EUR + 5.0 k USD"


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (57_600.0, "a day every 1.5 s"),
        (0.0, "time stands still"),
        (8_640_000.0, "100 days a second"),
    ],
)
def test_the_pace_is_told_in_days(speed: float, expected: str) -> None:
    assert pace(speed) == expected


def test_seconds_read_as_on_a_stopwatch() -> None:
    shown = [stopwatch(each) for each in (0.0, 9.9, 60.0, 605.0)]
    assert shown == ["0:00", "0:09", "1:00", "10:05"]
