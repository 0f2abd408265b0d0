"""Reads the output topics into the board, as any reader of committed records may."""

from __future__ import annotations

import time

from streams.clients import kafka_log
from streams.demo.board import TOPICS, Board
from streams.engine.log import Partition
from streams.settings import Settings

RECORDS_MAX = 5_000


class Follower:
    """Follows the topics from their beginning. Close it before the broker ends."""

    def __init__(self, settings: Settings, board: Board) -> None:
        self._board = board
        self._log = kafka_log(settings)
        counts = self._log.partition_counts([*TOPICS, "notices-rows"])
        board.expect_partitions(counts["notices-rows"])
        self._reader = self._log.reader()
        self._reader.assign(
            {Partition(topic, number): 0 for topic in TOPICS for number in range(counts[topic])}
        )

    def poll(self, wait_seconds: float) -> None:
        """Takes in what is new; waits for it at most so long."""
        ends_at = time.monotonic() + wait_seconds
        while True:
            left = max(0.0, ends_at - time.monotonic())
            read = self._reader.read(RECORDS_MAX, left)
            for partition, records in read.items():
                for record in records:
                    self._board.take(partition.topic, record.key(), record.value())
            if not read or not left:
                return

    def close(self) -> None:
        """Lets go of the broker."""
        self._reader.close()
        self._log.close()
