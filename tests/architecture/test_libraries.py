"""Each library has a home: who wants to know what Kafka or Faust does to us opens a few files."""

from __future__ import annotations

import sys

import pytest
from packaging.requirements import Requirement

from tests.architecture.sources import PACKAGES, imported_names, modules, project

# Library: the files, or folders with a slash, that may import it. Those on no list are for all.
HOMES: dict[str, tuple[str, ...]] = {
    "aiohttp": ("alerts/sinks/", "streams/app/", "streams/webhooks/posting.py"),
    "aiokafka": ("streams/app/", "streams/broker/quotas.py"),
    "aiosmtplib": ("alerts/sinks/",),
    "click": ("streams/cli/",),
    "confluent_kafka": (
        "console/broker.py",
        "streams/app/",
        "streams/broker/",
        "streams/demo/feeding.py",
        "streams/engine/kafka_calls.py",
        "streams/engine/kafka_clients.py",
        "streams/engine/kafka_errors.py",
        "streams/engine/kafka_log.py",
        "streams/owed_log.py",
        "streams/sending.py",
    ),
    "cryptography": ("streams/door/links.py",),
    "fastapi": ("console/", "streams/door/"),
    "fastavro": ("schemas/",),
    "faust": ("streams/app/", "streams/clients.py"),
    "mode": ("streams/app/",),
    "networkx": ("topology/graph.py",),
    "polars": ("schemas/",),
    "prometheus_client": ("streams/app/", "streams/metrics.py"),
    "pydantic_settings": ("streams/config.py", "streams/settings.py"),
    "rich": ("streams/cli/", "streams/demo/"),
    "sqlalchemy": ("console/",),
    "standardwebhooks": ("alerts/sinks/",),
    "structlog": ("alerts/sinks/", "console/", "streams/"),
    "uvicorn": ("console/", "streams/door/"),
}
FOR_ALL = frozenset({"msgspec", "pydantic", "yaml"})
# Brought and documented by another, as a part of it.
PARTS = {"pydantic_core": "pydantic", "starlette": "fastapi"}
# Imported under another name than they are installed by.
IMPORT_NAMES = {"faust_streaming": "faust", "pyyaml": "yaml"}
# Imported by SQLAlchemy where an address names it; found by the standard library's zoneinfo.
NEVER_IMPORTED = frozenset({"pg8000", "tzdata"})


def libraries() -> set[tuple[str, str]]:
    """(library, file) for every import of something that is neither ours nor Python's."""
    return {
        (PARTS.get(root, root), module.path)
        for module in modules()
        for _, name in imported_names(module.tree)
        if (root := name.split(".", maxsplit=1)[0])
        and root not in sys.stdlib_module_names
        and root not in PACKAGES
    }


def test_every_library_stays_at_home() -> None:
    away = sorted(
        f"{path}: {library}"
        for library, path in libraries()
        if library not in FOR_ALL and not path.startswith(HOMES.get(library, ()))
    )
    assert not away


@pytest.mark.parametrize("line", project()["project"]["dependencies"])
def test_every_dependency_is_imported(line: str) -> None:
    name = Requirement(line).name.replace("-", "_").lower()
    if name in NEVER_IMPORTED:
        return
    imported = {library for library, _ in libraries()}
    assert IMPORT_NAMES.get(name, name) in imported
