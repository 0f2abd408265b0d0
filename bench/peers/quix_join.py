"""The slip join on quixstreams: state in RocksDB with a changelog, exactly once, 100 ms apart.

python -m bench.peers.quix_join BOOTSTRAP PREFIX FACTS SCHEMAS DIRECTORY OUTPUT
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]

from bench.peers.join import STATUS, Decoder, Meter, status, take_order, take_shipment

COMMIT_INTERVAL_S = 0.1

Take = Callable[[list[Any] | None, Any], list[Any]]


def main(arguments: list[str]) -> None:
    """Runs until all facts were taken."""
    bootstrap, prefix, facts, schemas, directory, output = arguments
    meter = Meter(int(facts))
    orders, shipments = (Decoder(Path(schemas), each) for each in ("orders", "shipments"))
    app = Application(
        broker_address=bootstrap,
        consumer_group=output,
        auto_offset_reset="earliest",
        commit_interval=COMMIT_INTERVAL_S,
        processing_guarantee="exactly-once",
        state_dir=directory,
        producer_extra_config={"compression.type": "lz4"},
        loglevel="WARNING",
    )
    told = app.topic(output, value_serializer="str", key_serializer="bytes")

    def join(take_and_fact: tuple[Take, Any], state: Any) -> list[str]:
        take, fact = take_and_fact
        line = take(state.get("line"), fact)
        now = status(line)
        changed = now != line[STATUS]
        line[STATUS] = now
        state.set("line", line)
        if meter.took():
            app.stop()
        return [now] if changed else []

    # Decoded before the two topics are one: afterwards nothing tells which a fact came from.
    placed = app.dataframe(app.topic(f"{prefix}orders", value_deserializer="bytes"))
    placed = placed.apply(lambda value: (take_order, orders.decode(value)))
    shipped = app.dataframe(app.topic(f"{prefix}shipments", value_deserializer="bytes"))
    shipped = shipped.apply(lambda value: (take_shipment, shipments.decode(value)))
    placed.concat(shipped).apply(join, stateful=True, expand=True).to_topic(told)
    app.run()
    meter.done()


if __name__ == "__main__":
    main(sys.argv[1:])
