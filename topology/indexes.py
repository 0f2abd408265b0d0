"""Lookups made once of what a document lists."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")


def indexed(entities: Iterable[A], key: Callable[[A], K]) -> Mapping[K, A]:
    """Each under its key, read-only; of several under one the last."""
    return MappingProxyType({key(entity): entity for entity in entities})


def grouped(pairs: Iterable[tuple[K, A]]) -> dict[K, tuple[A, ...]]:
    """All of a key, in their order."""
    groups: dict[K, list[A]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
