from __future__ import annotations

import msgspec
import pytest

from schemas.payment_records import Clearance, LinePayment, PaidFor
from schemas.records import AlertState, Progress, Receipt, Record, Standing, encode
from schemas.stock_records import StockStanding
from schemas.units import HOUR_MS, instant
from streams.demo.board import Board, Owed
from tests.unit.demo.pieces import (
    NOW,
    a_line,
    a_node,
    a_notification,
    a_tick,
    an_alert,
    at_notices,
    fires,
)


def take(board: Board, topic: str, record: Record, key: str = "") -> None:
    board.take(topic, key.encode(), encode(record))


def test_an_alert_is_news_when_it_opens_is_resolved_and_reopens_and_not_when_it_changes() -> None:
    board = Board()
    take(board, "alerts", an_alert("a"))
    take(board, "alerts", an_alert("a", revision=2))
    take(board, "alerts", an_alert("a", revision=3, state=AlertState.RESOLVED))
    take(board, "alerts", an_alert("a", revision=4, episode=2))
    assert [(each.revision, each.state) for each in board.news_since()] == [
        (1, AlertState.OPEN),
        (3, AlertState.RESOLVED),
        (4, AlertState.OPEN),
    ]
    assert board.news_since() == []
    assert [each.revision for each in board.open_alerts] == [4]


def test_stakes_leave_out_lines_of_which_nothing_is_to_come_and_lines_that_left() -> None:
    board = Board()
    take(board, "order-status", a_line("1", Standing.LATE, Progress.SHIPPED, 500))
    take(board, "order-status", a_line("2", Standing.LATE, Progress.CONFIRMED, 70))
    take(board, "order-status", a_line("3", Standing.LATE, Progress.DELIVERED, 9_000))
    take(board, "order-status", a_line("4", Standing.ON_TIME, Progress.PLACED, 9_000))
    board.take("order-status", b"4", None)
    stakes = board.stakes()
    assert (stakes[Standing.LATE].lines, stakes[Standing.LATE].values) == (2, {"EUR": 570})
    assert (stakes[Standing.ON_TIME].lines, stakes[Standing.ON_TIME].values) == (0, {})


def test_stock_and_what_is_owed_are_counted_as_they_stand_now() -> None:
    board = Board()
    for name, standing in (("A@X", "short"), ("B@X", "enough"), ("C@X", "enough")):
        take(board, "stock-status", a_node(name, StockStanding(standing)), name)
    take(board, "stock-status", a_node("A@X", StockStanding.LOW), "A@X")
    board.take("stock-status", b"C@X", None)
    assert board.stock() == {StockStanding.LOW: 1, StockStanding.ENOUGH: 1}
    unpaid = LinePayment(
        paid_for=PaidFor.UNPAID, clearance=Clearance.HELD, why="", currency="EUR", open_minor=500
    )
    invoiced = msgspec.structs.replace(unpaid, invoices=("I",))
    for number, (payment, progress) in enumerate(
        ((unpaid, Progress.CONFIRMED), (invoiced, Progress.DELIVERED), (None, Progress.PLACED))
    ):
        take(board, "order-status", a_line(str(number), Standing.ON_TIME, progress, 0, payment))
    assert board.owed() == Owed({"EUR": 500}, held=1), "what is not invoiced is not owed yet"


def test_a_tick_is_done_when_every_partition_of_the_last_stage_says_so() -> None:
    board = Board()
    board.expect_partitions(2)
    take(board, "ticks", a_tick(1, NOW, (10, 20)))
    take(board, "progress", at_notices(0, 1), "notices/0")
    assert (board.done, board.taken) == (0, 0)
    take(board, "progress", at_notices(1, 1), "notices/1")
    assert (board.done, board.done_at, board.taken) == (1, NOW, 30)
    take(board, "ticks", a_tick(2, NOW + HOUR_MS, (15, 25)))
    take(board, "progress", at_notices(1, 2), "notices/1")
    assert (board.done, board.taken) == (1, 30)
    take(board, "progress", at_notices(0, 2), "notices/0")
    assert (board.done, board.done_at, board.taken) == (2, NOW + HOUR_MS, 40)
    assert board.gap_max_ms == HOUR_MS


def test_a_tick_that_is_read_after_its_progress_counts_all_the_same() -> None:
    board = Board()
    board.expect_partitions(1)
    take(board, "progress", at_notices(0, 1), "notices/0")
    assert board.done == 0
    take(board, "ticks", a_tick(1, NOW, (3,)))
    assert (board.done, board.taken) == (1, 3)


@pytest.mark.parametrize(("outcome", "expected"), [("delivered", 1), ("parked", 0)])
def test_a_notification_is_delivered_when_each_of_its_sinks_says_so(
    outcome: str, expected: int
) -> None:
    board = Board()
    take(board, "notifications", a_notification("n", ("log", "crm")))

    def receipt(sink: str, what: str) -> Receipt:
        return Receipt(
            notification_id="n",
            recipient="operations",
            sink=sink,
            outcome=what,
            attempts=1,
            at=instant(NOW),
        )

    take(board, "receipts", receipt("log", "delivered"))
    assert board.delivered == 0
    take(board, "receipts", receipt("crm", outcome))
    assert board.delivered == expected
    assert board.recipients == {"operations": 1}


def test_verdicts_are_kept_in_their_order() -> None:
    board = Board()
    for at in (3, 1, 2):
        take(board, "decisions", fires("line", NOW + at))
    assert board.verdicts == [fires("line", NOW + at) for at in (3, 1, 2)]
