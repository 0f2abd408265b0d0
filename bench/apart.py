"""Runs a function in a fresh process, so that nothing measured before it weighs on it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run_apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function answers, or raises, in a process of its own; arguments are pickled."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()
