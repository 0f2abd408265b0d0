"""The slip join on a stock Faust agent with a table in memory: at least once, as it comes.

python -m bench.peers.faust_join BOOTSTRAP PREFIX FACTS SCHEMAS DIRECTORY OUTPUT
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import faust

from bench.peers.join import STATUS, Decoder, Meter, status, take_order, take_shipment

PARTITIONS = 4


def main(arguments: list[str]) -> None:
    """Runs until all facts were taken."""
    bootstrap, prefix, facts, schemas, directory, output = arguments
    meter = Meter(int(facts))
    orders, shipments = (Decoder(Path(schemas), each) for each in ("orders", "shipments"))
    app = faust.App(
        output,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=directory,
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
    )
    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}
    told = app.topic(output, **raw)
    lines = app.Table("lines", partitions=PARTITIONS)

    @app.agent(app.topic(f"{prefix}orders", f"{prefix}shipments", **raw))
    async def join(stream: Any) -> None:
        async for event in stream.events():
            key = event.key.decode()
            if event.message.topic == f"{prefix}orders":
                line = take_order(lines.get(key), orders.decode(event.value))
            else:
                line = take_shipment(lines.get(key), shipments.decode(event.value))
            now = status(line)
            changed = now != line[STATUS]
            line[STATUS] = now
            lines[key] = line
            if changed:
                await told.send(key=event.key, value=now.encode())
            if meter.took():
                await app.producer.flush()
                meter.done()
                # Stopping here would wait for this very fact to be acknowledged, for ever.
                os.kill(os.getpid(), signal.SIGTERM)

    faust.Worker(app, loglevel="WARNING", quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1:])
