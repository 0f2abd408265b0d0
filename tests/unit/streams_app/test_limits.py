"""Settings and secrets at their limits and one past them."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import limits
from streams.config import ConfigurationError, load


def test_size_of_the_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "slipwatch.toml"
    full = b"[log]\n" + b"#" * (limits.SETTINGS_FILE_BYTES_MAX - 6)
    file.write_bytes(full)
    assert load(file).file == file
    file.write_bytes(full + b"#")
    with pytest.raises(ConfigurationError, match="the file is larger, expected at most 1000000"):
        load(file)


def test_depth_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "slipwatch.toml"
    names = ["a"] * limits.SETTINGS_DEPTH_MAX
    file.write_text(".".join(names) + " = 1\n", "utf-8")
    with pytest.raises(ConfigurationError, match="there is no such setting"):
        load(file)
    file.write_text(".".join([*names, "a"]) + " = 1\n", "utf-8")
    with pytest.raises(ConfigurationError, match="nested too deeply, expected at most 10 levels"):
        load(file)


def test_problems_of_settings(tmp_path: Path) -> None:
    def told(count: int) -> tuple[str, ...]:
        file = tmp_path / "slipwatch.toml"
        file.write_text("".join(f"f{number} = 1\n" for number in range(count)), "utf-8")
        with pytest.raises(ConfigurationError) as error:
            load(file)
        return error.value.problems

    most = limits.SETTINGS_PROBLEMS_MAX
    assert len(told(most)) == most
    assert told(most + 1)[most:] == ("settings: 1 more problems",)


def test_size_of_a_file_with_a_secret(tmp_path: Path) -> None:
    file, secret = tmp_path / "slipwatch.toml", tmp_path / "secret"
    file.write_text(
        '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_mechanism = "PLAIN"\nsasl_username = "u"\n'
        f'sasl_password_file = "{secret}"\n',
        "utf-8",
    )
    secret.write_bytes(b"x" * limits.SECRET_FILE_BYTES_MAX)
    assert load(file).settings.kafka.sasl_password is not None
    secret.write_bytes(b"x" * (limits.SECRET_FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigurationError, match=r"sasl_password_file: .* has over 65536 bytes"):
        load(file)


def test_a_secret_may_not_be_read_from_what_never_ends(tmp_path: Path) -> None:
    file = tmp_path / "slipwatch.toml"
    file.write_text(
        '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_mechanism = "PLAIN"\nsasl_username = "u"\n'
        'sasl_password_file = "/dev/zero"\n',
        "utf-8",
    )
    with pytest.raises(ConfigurationError, match="has over 65536 bytes"):
        load(file)
