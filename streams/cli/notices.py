"""`slipwatch notifications`: what people were told, and sending a parked one anew."""

from __future__ import annotations

import click
from rich.markup import escape

from schemas.records import Notification, Receipt, encode
from schemas.units import instant
from streams.cli.answers import LIMIT, delivery_lines, print_end
from streams.cli.display import SEVERITY_STYLES, Reader, asks_view, print_table, styled, words
from streams.cli.session import (
    Refused,
    Session,
    console,
    json_option,
    pass_session,
    print_json,
)
from streams.delivery import DeliveryOutcome, ReceiptId, request_detail
from streams.engine.clock import WallClock
from streams.engine.log import Log, LogError
from streams.exits import Exit
from streams.owed_log import NOTIFICATIONS, RECEIPTS, OwedLog
from streams.sending import Outgoing, Sender


@click.group()
def notifications() -> None:
    """List notifications and how their deliveries stand; send a parked one anew.

    \b
    Examples:
      slipwatch notifications list --undelivered
      slipwatch notifications resend 9f86d081884c7d659a2feaa0
    """


@notifications.command("list")
@click.option("--undelivered", is_flag=True, help="Only those that some sink still owes.")
@LIMIT
@asks_view
def list_notifications(
    reader: Reader,
    /,
    undelivered: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List notifications, the newest first."""
    answer = reader.view.get("/v1/notifications", undelivered=undelivered, limit=limit)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("notification", "recipient", "when", "severity", "what", "delivery"),
        (
            (
                escape(each["notification_id"]),
                escape(each["recipient"]),
                reader.time(each["at"]),
                styled(each["severity"], SEVERITY_STYLES),
                escape(f"{words(each['event'])}: {each['title']}"),
                "shadow mode: nobody was told"
                if each["shadow"]
                else escape("\n".join(delivery_lines(reader, each["deliveries"]))),
            )
            for each in answer["notifications"]
        ),
    )
    print_end(reader, answer, len(answer["notifications"]), "notification")


@notifications.command("resend")
@click.argument("notification_id", metavar="ID")
@click.option("--sink", help="Only to this sink. [default: all that the notification names]")
@json_option
@pass_session
def resend(session: Session, notification_id: str, sink: str | None, as_json: bool) -> None:
    """Ask for a notification to be delivered anew, parked or not.

    It keeps its id, by which a receiver that has it already can drop it. A running worker takes the
    request up at once, another when it starts.
    """
    with session.log() as log:
        number, offset, found = _find(log, notification_id)
    if found.shadow:
        raise Refused(f"{notification_id} was made in shadow mode: nobody is told", Exit.FINDINGS)
    sinks = found.sinks if sink is None else (sink,)
    if sink is not None and sink not in found.sinks:
        raise Refused(
            f"{notification_id} goes to {', '.join(found.sinks)}, not to {sink}", Exit.FINDINGS
        )
    at = instant(WallClock().now())
    requests = [
        Receipt(
            notification_id=notification_id,
            recipient=found.recipient,
            sink=name,
            outcome=DeliveryOutcome.REQUESTED.value,
            attempts=0,
            at=at,
            detail=request_detail(offset),
        )
        for name in sinks
    ]
    _, refusals = Sender(session.settings).send(
        Outgoing(RECEIPTS, number, ReceiptId(notification_id, each.sink).key(), encode(each))
        for each in requests
    )
    if refusals:
        raise Refused(f"the request was not taken: {refusals[0].why}", Exit.BROKER)
    if as_json:
        print_json({"notification_id": notification_id, "requested": sinks})
        return
    console().print(f"Asked for {escape(notification_id)} anew: {', '.join(sinks)}.")


def _find(log: Log, notification_id: str) -> tuple[int, int, Notification]:
    """Where the notification lies and what it is; reads `notifications` from its beginning."""
    count = log.partition_counts([NOTIFICATIONS])[NOTIFICATIONS]
    if count == 0:
        raise LogError(f"there is no topic {NOTIFICATIONS}", "Run: slipwatch topics create")
    source = OwedLog(log)
    for number in range(count):
        scan = source.scan(
            number,
            source.beginning(number).notifications,
            records_max=1,
            wanted=lambda each: each.notification_id == notification_id,
        )
        for offset, found in scan.found:
            if found is not None:
                return number, offset, found
    raise Refused(f"there is no notification {notification_id}", Exit.FINDINGS)
