"""A network as records of a compacted topic: cut into pieces that a broker takes, and joined again.

Each piece starts with a line of JSON that says which network it belongs to, which piece it is, of
how many, so that pieces may be read in any order, more than once, and beside those of other
versions; the rest are bytes of the network. Nothing here speaks to Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from topology.network import VERSION_LENGTH

CHUNK_BYTES_MAX = 500_000
"""Bytes of one piece, its head included; half of what brokers take by default."""

_HEAD_BYTES_MAX = 200


class ChunkError(ValueError):
    """The pieces do not make one whole network; the text says why."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a piece says of itself; `index` counts from 0."""

    version: str
    index: int
    count: int


def split_chunks(data: bytes, max_bytes: int = CHUNK_BYTES_MAX) -> list[bytes]:
    """The bytes of a network (`network.encode`) as pieces of at most `max_bytes` each, in order.

    The version in their heads is that of the network. ValueError below 400 bytes a piece.
    """
    if max_bytes < 2 * _HEAD_BYTES_MAX:
        raise ValueError(f"a piece of {max_bytes} bytes is too small: at least 400 are needed")
    body_bytes = max_bytes - _HEAD_BYTES_MAX
    count = max(1, -(-len(data) // body_bytes))
    version = _version(data)
    return [
        msgspec.json.encode(Head(version=version, index=index, count=count))
        + b"\n"
        + data[index * body_bytes : (index + 1) * body_bytes]
        for index in range(count)
    ]


def read_head(chunk: bytes) -> Head:
    """What the piece says of itself; ChunkError when it is none."""
    return _parted(chunk)[0]


def join_chunks(chunks: Iterable[bytes]) -> bytes:
    """The bytes that were split. ChunkError when pieces are missing, contradict each other, belong
    to several versions, or do not add up to the content that the version names."""
    pieces: dict[int, bytes] = {}
    first: Head | None = None
    for chunk in chunks:
        head, body = _parted(chunk)
        first = first or head
        if (head.version, head.count) != (first.version, first.count):
            raise ChunkError(
                f"pieces of different networks: {first.version} in {first.count} pieces "
                f"and {head.version} in {head.count}"
            )
        if pieces.setdefault(head.index, body) != body:
            raise ChunkError(f"piece {head.index} of network {head.version} has two contents")
    if first is None:
        raise ChunkError("no pieces")
    missing = first.count - len(pieces)
    if missing:
        raise ChunkError(f"network {first.version} lacks {missing} of {first.count} pieces")
    data = b"".join(pieces[index] for index in range(first.count))
    if _version(data) != first.version:
        raise ChunkError(f"the pieces of network {first.version} do not add up to its content")
    return data


def _version(data: bytes) -> str:
    return sha256(data).hexdigest()[:VERSION_LENGTH]


def _parted(chunk: bytes) -> tuple[Head, bytes]:
    line, newline, body = chunk.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChunkError(f"this is no piece of a network: {error}") from error
    if not newline or not 0 <= head.index < head.count:
        raise ChunkError("this is no piece of a network: its head is not whole")
    return head, body
