"""A certificate for receivers, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.receivers import certificate


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))
