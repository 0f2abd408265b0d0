"""A broker inside this process, to try Slipwatch without installing one: librdkafka's mock cluster.

It speaks Kafka over TCP on 127.0.0.1, so other processes and other clients (Faust's among them)
connect to it as to any broker. It is good for the demo and for smoke tests and never for
guarantees: nothing is written to disk, nothing is compacted, aborted records can be read, offsets
sent with a transaction are not kept, there are no admin calls, groups are spoken to in the classic
protocol, and each partition keeps its last 100,000 records or 5 MiB and forgets the rest without a
word.

confluent-kafka can start this cluster but cannot say how many partitions a topic has; the C
library inside it can, so this file calls that library directly. It is the only file that does.
"""

from __future__ import annotations

import ctypes
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from confluent_kafka import cimpl

from streams.broker.topics import plan
from streams.settings import TopicSettings

ERROR_BYTES = 512
KNOCK_SECONDS = 0.005
PRODUCER_TYPE = 0
"""RD_KAFKA_PRODUCER: the mock cluster lives inside a client instance, of whichever type."""


class EmbeddedBrokerFailed(Exception):
    """The embedded broker could not be started, or refused a topic."""


class EmbeddedBroker:
    """One broker on a free port of 127.0.0.1, between `start` and `stop`, or as a context manager.

    All topics of Slipwatch are there from the start, named and partitioned as the settings say.
    It ends with this process at the latest.
    """

    def __init__(self, topics: TopicSettings) -> None:
        self._partitions = {item.name: item.partitions for item in plan(topics)}
        self._library: _Library | None = None
        self._client: int | None = None
        self._cluster: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """The address, as clients take it in `bootstrap.servers`."""
        library, cluster = self._running()
        address: bytes = library.bootstraps(cluster)
        return address.decode("ascii")

    def start(self) -> None:
        """Start the broker and create all topics; raises EmbeddedBrokerFailed."""
        library = _Library()
        client = library.new_client({"log_level": "0"})
        cluster = library.cluster_new(client, 1)
        if not cluster:
            library.destroy_client(client)
            raise EmbeddedBrokerFailed("the embedded broker could not open a port on 127.0.0.1")
        self._library, self._client, self._cluster = library, client, cluster
        # By default the first member of a group waits three seconds for others.
        library.set_rebalance_delay_ms(cluster, 0)
        with _kept_awake(self.bootstrap):
            for name, partitions in self._partitions.items():
                self.create_topic(name, partitions)

    def stop(self) -> None:
        """End the broker and forget everything; clients that are still there lose it."""
        if self._library is None or self._client is None or self._cluster is None:
            return
        self._library.cluster_destroy(self._cluster)
        self._library.destroy_client(self._client)
        self._library = self._client = self._cluster = None

    def create_topic(self, name: str, partitions: int) -> None:
        """One more topic; raises EmbeddedBrokerFailed if it exists."""
        library, cluster = self._running()
        code = library.topic_create(cluster, name.encode("utf-8"), partitions, 1)
        if code != 0:
            raise EmbeddedBrokerFailed(f"topic {name}: {library.error_name(code).decode('ascii')}")

    def _running(self) -> tuple[_Library, int]:
        if self._library is None or self._cluster is None:
            raise EmbeddedBrokerFailed("the embedded broker is not running")
        return self._library, self._cluster


@contextmanager
def _kept_awake(address: str) -> Iterator[None]:
    """Keeps the broker's thread from sleeping while it is asked for much.

    Now and then it misses that a topic is to be made (librdkafka 2.16) and sleeps for a second
    first; two dozen topics took up to five. Whatever comes in at its port wakes it.
    """
    host, port = address.rsplit(":", 1)
    done = threading.Event()

    def knock() -> None:
        while not done.wait(KNOCK_SECONDS):
            socket.create_connection((host, int(port))).close()

    knocking = threading.Thread(target=knock, name="knocking")
    knocking.start()
    try:
        yield
    finally:
        done.set()
        knocking.join()


class _Library:
    """The functions of librdkafka that the cluster needs, with their C types.

    The extension module of confluent-kafka is linked with its own copy of librdkafka; asking the
    loader through that module finds the same copy on Linux and macOS, wherever it was installed.
    """

    def __init__(self) -> None:
        loaded = ctypes.CDLL(cimpl.__file__)
        pointer, text, integer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int

        def function(name: str, returns: Any, *takes: Any) -> Any:
            found = getattr(loaded, name)
            found.restype, found.argtypes = returns, takes
            return found

        size = ctypes.c_size_t
        self._conf_new = function("rd_kafka_conf_new", pointer)
        self._conf_set = function("rd_kafka_conf_set", integer, pointer, text, text, pointer, size)
        self._conf_destroy = function("rd_kafka_conf_destroy", None, pointer)
        self._new = function("rd_kafka_new", pointer, integer, pointer, pointer, size)
        self.destroy_client = function("rd_kafka_destroy", None, pointer)
        self.cluster_new = function("rd_kafka_mock_cluster_new", pointer, pointer, integer)
        self.cluster_destroy = function("rd_kafka_mock_cluster_destroy", None, pointer)
        self.bootstraps = function("rd_kafka_mock_cluster_bootstraps", text, pointer)
        self.topic_create = function(
            "rd_kafka_mock_topic_create", integer, pointer, text, integer, integer
        )
        self.set_rebalance_delay_ms = function(
            "rd_kafka_mock_group_initial_rebalance_delay_ms", None, pointer, ctypes.c_int32
        )
        self.error_name = function("rd_kafka_err2name", text, integer)

    def new_client(self, config: Mapping[str, str]) -> int:
        """A client instance for the cluster to live in."""
        error = ctypes.create_string_buffer(ERROR_BYTES)
        conf = self._conf_new()
        for name, value in config.items():
            code = self._conf_set(
                conf, name.encode("ascii"), value.encode("ascii"), error, ERROR_BYTES
            )
            if code != 0:
                self._conf_destroy(conf)
                raise EmbeddedBrokerFailed(error.value.decode("utf-8"))
        client: int | None = self._new(PRODUCER_TYPE, conf, error, ERROR_BYTES)
        if not client:
            self._conf_destroy(conf)
            raise EmbeddedBrokerFailed(error.value.decode("utf-8"))
        return client
