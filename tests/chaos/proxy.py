"""A small TCP proxy between workers and a broker, to cut, slow and swallow what passes.

It runs in a thread of the test. The broker must advertise the proxy's port, or clients go past it:
`proxied` starts a broker that does.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.conftest import SHORT_SESSIONS
from tests.kafka.cluster import KafkaCluster

CHUNK_BYTES = 16 * 1024
HOST = "127.0.0.1"


class Proxy:
    """Passes everything that comes to `port` on to the port `target`, between `start` and `stop`.

    `target` may be set until the first connection.
    """

    def __init__(self) -> None:
        self.port = self.target = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._delay_s = 0.0
        self._refuses = False
        self.connections = 0
        """Made so far: a test sees by it that its clients come this way."""

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """End every connection and the thread."""
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()

    def cut(self) -> None:
        """Every connection ends at once; new ones are let through."""
        self._call(self._cut())

    def refuse(self) -> None:
        """Every connection ends at once, and so does every new one, until `heal`."""
        self._refuses = True
        self.cut()

    def swallow(self) -> None:
        """Connections stand, also new ones, and nothing passes, as in a network that lost its
        way; until `heal`, after which all that was held back passes."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def slow(self, delay_s: float) -> None:
        """Every piece of at most 16 KB takes so long on its way, until `heal`."""
        self._delay_s = delay_s

    def heal(self) -> None:
        """Everything passes as if nothing had been."""
        self._delay_s, self._refuses = 0.0, False
        self._loop.call_soon_threadsafe(self._open.set)

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10.0)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        for writer in list(self._links):
            writer.transport.abort()

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._tasks.add(task)
        self._links.add(writer)
        try:
            if not self._refuses:
                with contextlib.suppress(OSError):
                    await self._join(reader, writer)
        finally:
            self._links.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, self.target)
        self._links.add(back)
        try:
            ways = [
                asyncio.ensure_future(self._pass(reader, back)),
                asyncio.ensure_future(self._pass(there, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._links.discard(back)
            back.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._open.wait()
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def proxied(folder: Path) -> Iterator[tuple[KafkaCluster, Proxy]]:
    """A broker and the proxy that it sends all its clients to, the test's own among them."""
    proxy = Proxy()
    proxy.start()
    try:
        cluster = KafkaCluster(
            folder / "proxied", group_times=SHORT_SESSIONS, advertised_port=proxy.port
        )
        proxy.target = int(cluster.bootstrap.rsplit(":", 1)[1])
        with cluster:
            yield cluster, proxy
    finally:
        proxy.stop()
