"""What one party is owed: whatever is lost on the way, the receiver ends where the line stands."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.units import instant
from streams.webhooks.lane import (
    GRANTED_MAX,
    IN_DOUBT,
    IN_FLIGHT_MAX,
    REFUSED_PAUSE_S,
    Lane,
    Owed,
    Pauses,
    message_id,
)
from streams.webhooks.registration import Registration

AT = instant(1_775_000_000_000)
REGISTRATION = Registration(
    party="ACME", url="https://a.example", registration="a1" * 16, key_mark="", registered_at=AT,
    changed_at=AT,
)  # fmt: skip
PAUSES = Pauses(1.0, 300.0)


def lane(told: dict[bytes, bytes] | None = None) -> Lane:
    return Lane(REGISTRATION, told if told is not None else {}, PAUSES)


def owed(line: int, value: bytes | None, place: int, since_s: float = 0.0) -> Owed:
    name = b"%032d" % line
    return Owed(name, "", message_id("a1" * 16, name, str(place)), value, since_s)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("stands"), st.integers(0, 2), st.sampled_from([None, b"a", b"b"])),
            st.tuples(
                st.just("answer"),
                st.sampled_from(["taken", "taken, answer lost", "lost", "refused"]),
                st.none(),
            ),
            st.tuples(st.just("crash"), st.none(), st.none()),
        ),
        max_size=40,
    )
)
@example(
    [
        *(("stands", 0, b"a"), ("answer", "taken", None), ("stands", 0, b"b")),
        *(("answer", "taken", None), ("stands", 0, b"a")),
    ]
)
@example(
    [
        *(("stands", 0, b"a"), ("answer", "taken", None), ("stands", 0, b"b")),
        *(("answer", "taken, answer lost", None), ("crash", None, None), ("stands", 0, b"a")),
    ]
)
def test_a_receiver_that_drops_known_ids_ends_where_the_line_stands(
    steps: list[tuple[str, int | str | None, bytes | None]],
) -> None:
    log: list[tuple[int, bytes | None]] = []
    written: dict[bytes, bytes] = {}
    books, now_s = lane(), 0.0
    has: dict[bytes, bytes] = {}
    seen: set[str] = set()

    def reads(message: Owed) -> None:
        if message.message_id not in seen:
            seen.add(message.message_id)
            if message.value is None:
                has.pop(message.line, None)
            else:
                has[message.line] = message.value

    def attempt(what: str) -> None:
        nonlocal now_s
        now_s += 2 * REFUSED_PAUSE_S
        granted = books.grant(now_s)
        written.update({each.line: books.told[each.line] for each in granted})
        for each in granted:
            if what.startswith("taken"):
                reads(each)
            if what == "taken":
                books.delivered(each, now_s)
                written.pop(each.line)
                if each.line in books.told:
                    written[each.line] = books.told[each.line]
            elif what == "refused":
                books.refused(each, now_s)
            else:
                books.failed(each, now_s, 0.5, None)

    def begin_anew() -> Lane:
        """As the books are opened: what was told, then how each line stands by its last record."""
        made = lane(dict(written))
        last = {line: (place, value) for place, (line, value) in enumerate(log)}
        for line, (place, value) in last.items():
            made.want(owed(line, value, place))
        return made

    for what, first, value in steps:
        if what == "stands" and isinstance(first, int):
            log.append((first, value))
            books.want(owed(first, value, len(log) - 1))
        elif what == "answer":
            attempt(str(first))
        else:
            books = begin_anew()
    for _ in range(4):
        attempt("taken")
    last = {b"%032d" % line: value for line, value in log}
    stands = {line: value for line, value in last.items() if value is not None}
    assert has == stands
    assert books.owed_count == 0


def test_of_a_line_that_waits_only_the_newest_is_told() -> None:
    books = lane()
    books.want(owed(1, b"a", 1, since_s=5.0))
    books.want(owed(2, b"x", 2, since_s=6.0))
    books.want(owed(1, b"b", 3, since_s=7.0))
    assert books.oldest_s() == 5.0
    assert [each.value for each in books.grant(8.0)] == [b"b", b"x"]
    assert books.told == {b"%032d" % 1: IN_DOUBT, b"%032d" % 2: IN_DOUBT}
    assert books.grant(8.0) == []


def test_what_changes_while_it_is_on_its_way_follows() -> None:
    books = lane()
    books.want(owed(1, b"a", 1))
    (first,) = books.grant(0.0)
    books.want(owed(1, b"b", 2))
    assert books.grant(0.0) == []
    books.delivered(first, 0.0)
    (second,) = books.grant(0.0)
    assert second.value == b"b"
    books.want(owed(1, b"a", 3))
    books.delivered(second, 0.0)
    (third,) = books.grant(0.0)
    assert third.value == b"a"
    assert third.message_id not in {first.message_id, second.message_id}


def test_a_party_that_fails_is_let_be_for_longer_and_longer_and_then_tried_with_one() -> None:
    books = lane()
    for number in range(2 * GRANTED_MAX):
        books.want(owed(number, b"a", number))
    granted = books.grant(0.0)
    assert len(granted) == GRANTED_MAX
    books.failed(granted[0], 0.0, 0.0, None)
    for each in granted[1:]:
        books.put_back(each)
    assert books.is_paused(0.99)
    assert books.grant(0.99) == []
    (tried,) = books.grant(1.0)
    books.failed(tried, 1.0, 0.0, None)
    assert books.grant(2.99) == []
    (tried,) = books.grant(3.0)
    # The receiver asks for more.
    books.failed(tried, 3.0, 0.0, 60.0)
    assert books.grant(62.9) == []
    (tried,) = books.grant(63.0)
    for _ in range(20):
        books.failed(tried, 63.0, 0.0, None)
    assert books.grant(63.0 + 299.0) == []
    (tried,) = books.grant(63.0 + 300.0)
    books.delivered(tried, 63.0 + 300.0)
    assert len(books.grant(63.0 + 300.0)) == GRANTED_MAX


def test_a_refused_message_waits_long_unless_registered_anew() -> None:
    books = lane()
    books.want(owed(1, b"a", 1))
    (tried,) = books.grant(0.0)
    books.refused(tried, 0.0)
    assert books.grant(REFUSED_PAUSE_S - 1) == []
    assert books.owed_count == 1
    assert len(books.grant(REFUSED_PAUSE_S)) == 1
    books.refused(tried, 0.0)
    books.is_suspended = True
    books.renew(REGISTRATION)
    assert len(books.grant(1.0)) == 1


def answers_and_refuses(books: Lane, bad: set[bytes], now_s: float) -> list[bytes]:
    """One go of a sender: of what is granted few are on their way, and the rest waits for them."""
    granted = books.grant(now_s)
    for each in granted[:IN_FLIGHT_MAX]:
        if each.line in bad:
            books.refused(each, now_s)
        else:
            books.delivered(each, now_s)
    for each in reversed(granted[IN_FLIGHT_MAX:]):
        books.put_back(each)
    return [each.line for each in granted[:IN_FLIGHT_MAX]]


def test_a_pause_outlives_what_others_on_their_way_are_answered() -> None:
    books = lane()
    for number in range(GRANTED_MAX + 1):
        books.want(owed(number, b"a", number))
    first, second, third, *rest = books.grant(0.0)
    books.failed(first, 0.0, 0.0, 3_600.0)
    books.delivered(second, 0.1)
    books.refused(third, 0.2)
    for each in rest:
        books.put_back(each)
    assert books.is_paused(3_599.9)
    # And it begins again with one message.
    (tried,) = books.grant(3_600.0)
    books.delivered(tried, 3_600.0)
    assert len(books.grant(3_600.0)) > 1


def test_a_thousand_refused_messages_delay_another_by_minutes_and_never_again() -> None:
    books = lane()
    bad = {b"%032d" % number for number in range(1_000)}
    for number in range(1_000):
        books.want(owed(number, b"a", number))
    good = owed(1_000, b"a", 1_000)
    books.want(good)
    now_s, sent = 0.0, [b""]
    while good.line not in sent:
        sent = answers_and_refuses(books, bad, now_s)
        now_s += PAUSES.least_s
    assert now_s <= 300.0
    # When the refused ones are to be tried again, whatever was never refused comes before them.
    now_s += REFUSED_PAUSE_S
    assert set(answers_and_refuses(books, bad, now_s)) < bad
    now_s += PAUSES.least_s
    later = owed(1_001, b"a", 1_001)
    books.want(later)
    assert answers_and_refuses(books, bad, now_s)[0] == later.line


def test_an_address_that_refuses_is_there_and_is_not_asked_without_end() -> None:
    books = lane()
    for number in range(3):
        books.want(owed(number, b"a", number))
    first, *rest = books.grant(0.0)
    books.failed(first, 0.0, 0.0, None)
    for each in reversed(rest):
        books.put_back(each)
    (tried,) = books.grant(1.0)
    books.refused(tried, 1.0)
    assert books.grant(1.0 + PAUSES.least_s - 0.01) == []
    assert len(books.grant(1.0 + PAUSES.least_s)) == 2


def test_a_line_that_changes_after_it_was_refused_is_told_at_once_and_then_hourly() -> None:
    books = lane()
    now_s, tried = 0.0, []
    for place in range(10):
        books.want(owed(1, b"%d" % place, place))
        (message,) = books.grant(now_s)
        if place == 5:
            # It changes while it is on its way: only what was sent is refused.
            books.want(owed(1, b"other", 100))
            books.refused(message, now_s)
            now_s += PAUSES.least_s
            (message,) = books.grant(now_s)
            assert message.value == b"other"
        books.refused(message, now_s)
        now_s += 60.0
    for _ in range(20):
        now_s += REFUSED_PAUSE_S / 10
        for each in books.grant(now_s):
            tried.append(now_s)
            books.refused(each, now_s)
    assert len(tried) == 2
    # Of a line one message is on its way, also when the hour of the one before it comes.
    books.want(owed(1, b"last", 200))
    assert len(books.grant(now_s + REFUSED_PAUSE_S / 2)) == 1
    assert books.grant(now_s + 2 * REFUSED_PAUSE_S) == []
