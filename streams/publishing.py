"""Networks and policies as records: one version in several records, written in one transaction.

A version is published whole or not at all: readers of committed records see all its chunks or
none. The key of a record is `VERSION/CHUNK`; its value is JSON, `Chunk`. The same version may be
published again, which changes nothing but makes it the newest.
"""

from __future__ import annotations

import datetime as dt
from hashlib import sha256

import msgspec

from schemas.limits import RECORD_BYTES_MAX

CHUNK_BYTES_MAX = RECORD_BYTES_MAX * 2 // 3
"""Bytes of content in one record: base64 makes them a third longer, and the rest is its head."""


class PublicationError(ValueError):
    """A record is no chunk of a publication, or does not fit the others; the text says why."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One record of topic `networks` or `policies`; `data` is base64 in JSON.

    `chunk` counts from 0 and stays below `chunks`; `sha256` is of the whole content, in hex.
    """

    version: str
    chunk: int
    chunks: int
    data: bytes
    sha256: str
    published_at: dt.datetime


class Publication(msgspec.Struct, frozen=True):
    """A whole version, as it was published."""

    version: str
    data: bytes
    published_at: dt.datetime


def split(
    publication: Publication, chunk_bytes_max: int = CHUNK_BYTES_MAX
) -> list[tuple[bytes, bytes]]:
    """The (key, value) records of a version, in the order of its chunks."""
    data = publication.data
    count = max(1, -(-len(data) // chunk_bytes_max))
    digest = sha256(data).hexdigest()
    return [
        (
            f"{publication.version}/{index}".encode(),
            msgspec.json.encode(
                Chunk(
                    version=publication.version,
                    chunk=index,
                    chunks=count,
                    data=data[index * chunk_bytes_max : (index + 1) * chunk_bytes_max],
                    sha256=digest,
                    published_at=publication.published_at,
                )
            ),
        )
        for index in range(count)
    ]


class Assembler:
    """Puts versions together from records in the order of the topic; several may be interleaved.

    It holds only the chunks of versions that are not yet whole.
    """

    def __init__(self) -> None:
        self._open: dict[str, dict[int, Chunk]] = {}

    def add(self, value: bytes) -> Publication | None:
        """The version that this record made whole, or None.

        Raises PublicationError when the record is no chunk, or when the chunks do not add up to
        the content that they name; what was collected of that version is then forgotten.
        """
        chunk = _decode(value)
        pieces = self._open.setdefault(chunk.version, {})
        other = next(iter(pieces.values()), chunk)
        if (other.sha256, other.chunks) != (chunk.sha256, chunk.chunks):
            # Published anew after somebody stopped half-way: what counts is the later one.
            pieces.clear()
        pieces[chunk.chunk] = chunk
        if len(pieces) < chunk.chunks:
            return None
        del self._open[chunk.version]
        data = b"".join(pieces[index].data for index in range(chunk.chunks))
        if sha256(data).hexdigest() != chunk.sha256:
            raise PublicationError(
                f"the chunks of version {chunk.version} do not add up to the content they name"
            )
        return Publication(chunk.version, data, chunk.published_at)


_decoder = msgspec.json.Decoder(Chunk)


def _decode(value: bytes) -> Chunk:
    try:
        chunk = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PublicationError(f"this is no chunk of a publication: {error}") from error
    if not 0 <= chunk.chunk < chunk.chunks:
        raise PublicationError(
            f"chunk {chunk.chunk} of {chunk.chunks} of version {chunk.version} cannot be"
        )
    return chunk
