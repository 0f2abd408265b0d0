"""Loads the settings from one file and the environment, and knows where each value came from.

The environment goes before the file, the file before the defaults. The file is the one named by
`--config`, else by SLIPWATCH_CONFIG, else `slipwatch.toml` in the working directory if it is there.
A setting `a.b` is SLIPWATCH_A__B in the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined
from pydantic_settings import EnvSettingsSource, SettingsError

from schemas import limits
from streams.settings import Settings

CONFIG_VARIABLE = "SLIPWATCH_CONFIG"
PREFIX = "SLIPWATCH_"
MASK = "********"
KAFKA_FILES = ("ssl_ca_file", "ssl_certificate_file", "ssl_key_file")
FOREIGN_VARIABLES = re.compile(r"SLIPWATCH_(CONFIG$|TEST_|.*_(SERVICE_|PORT))")
"""Ours, but no settings; and what Kubernetes sets by itself for a service called slipwatch-x."""
FIT_FOR_HEADER = re.compile("[!-~]+")

_SHOWN_CHARS_MAX = 200
M = TypeVar("M", bound=BaseModel)


class ConfigurationError(Exception):
    """The configuration cannot be used; `problems` says all that is wrong, one line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Loaded:
    """The settings, the origin of every value that is no default, and what looks like a mistake."""

    settings: Settings
    origins: Mapping[tuple[str, ...], str]
    file: Path | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ShownValue:
    """One setting as `slipwatch config show` prints it; a secret is masked."""

    name: str
    value: str | int | float | bool | None
    origin: str
    says: str


def load(file: Path | None = None) -> Loaded:
    """The settings; raises ConfigurationError with every problem at once."""
    path = _file_to_read(file)
    from_file = _read_file(path) if path else {}
    from_environment = _read_environment()
    for place, values in ((str(path), from_file), ("environment", from_environment)):
        if _is_deeper(values, limits.SETTINGS_DEPTH_MAX):
            expected = f"expected at most {limits.SETTINGS_DEPTH_MAX} levels"
            raise ConfigurationError((f"{place}: values are nested too deeply, {expected}",))
    origins = dict.fromkeys(_leaves(from_file), f"file {path}")
    origins |= {place: f"environment {_variable(place)}" for place in _leaves(from_environment)}
    try:
        settings = Settings.model_validate(_merge(from_file, from_environment))
    except ValidationError as error:
        found = error.errors()
        listed = found[: limits.SETTINGS_PROBLEMS_MAX]
        problems = [_explain(detail, origins, path) for detail in listed]
        if len(found) > len(listed):
            problems.append(f"settings: {len(found) - len(listed)} more problems")
        raise ConfigurationError(tuple(problems)) from None
    settings = _read_secret_files(settings, origins)
    return Loaded(settings, origins, path, _unknown_variables())


def show(loaded: Loaded) -> Iterator[ShownValue]:
    """Every setting in the order of `streams.settings`, with its value and origin."""
    yield from _show(loaded.settings, (), loaded.origins)


def _show(
    model: BaseModel, place: tuple[str, ...], origins: Mapping[tuple[str, ...], str]
) -> Iterator[ShownValue]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        here = (*place, name)
        if isinstance(value, BaseModel):
            yield from _show(value, here, origins)
        elif isinstance(value, dict):
            for key, child in value.items():
                yield from _show(child, (*here, key), origins)
        else:
            origin = origins.get(here, "default")
            yield ShownValue(".".join(here), _printable(value), origin, field.description or "")


def _printable(value: object) -> str | int | float | bool | None:
    match value:
        case None | bool() | int() | float():
            return value
        case SecretStr():
            return MASK
        case _:
            return mask_address(str(value))


def _is_deeper(values: object, levels_max: int) -> bool:
    level = [values]
    for _ in range(levels_max):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)  # type: ignore[attr-defined]
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def mask_address(text: str) -> str:
    """An address without the password in it: `postgresql://me:********@db/x`."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]+@", rf"\1:{MASK}@", text)


def _file_to_read(file: Path | None) -> Path | None:
    named = file or (Path(os.environ[CONFIG_VARIABLE]) if CONFIG_VARIABLE in os.environ else None)
    if named is None:
        default = Path(Settings.FILE_NAME)
        return default if default.is_file() else None
    if not os.path.isfile(named):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise ConfigurationError((f"{named}: there is no such file",))
    return named


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(limits.SETTINGS_FILE_BYTES_MAX + 1)
        if len(data) > limits.SETTINGS_FILE_BYTES_MAX:
            expected = f"expected at most {limits.SETTINGS_FILE_BYTES_MAX} bytes"
            raise ConfigurationError((f"{path}: the file is larger, {expected}",))
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigurationError((f"{path}: this is not UTF-8: {error}",)) from None
    except RecursionError:
        raise ConfigurationError((f"{path}: values are nested too deeply",)) from None
    except ValueError as error:  # a syntax error, or a number of more digits than Python reads
        told = str(error)[: limits.ERROR_CHARS_MAX]
        raise ConfigurationError((f"{path}: this is not TOML: {told}",)) from None
    except OSError as error:
        raise ConfigurationError((f"{path}: cannot be read: {error.strerror}",)) from None


def _read_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(Settings)()
    except RecursionError:
        raise ConfigurationError(("environment: values are nested too deeply",)) from None
    except SettingsError as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise ConfigurationError((f"environment: {error}{cause}",)) from None


def _leaves(values: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*place, name))
        else:
            yield (*place, name)


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[name] = _merge(below, value)
        else:
            merged[name] = value
    return merged


def _variable(place: tuple[str, ...]) -> str:
    """The variable that gave the value: the exact one, or the one that holds its whole table."""
    present = {name.upper(): name for name in os.environ}
    for length in range(len(place), 0, -1):
        name = PREFIX + "__".join(place[:length]).upper()
        if name in present:
            return present[name]
    return PREFIX + "__".join(place).upper()


def _explain(
    detail: ErrorDetails, origins: Mapping[tuple[str, ...], str], path: Path | None
) -> str:
    """One line: where it stands, which setting, what was found, what was expected."""
    place = tuple(str(part) for part in detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "there is no such setting"
    if detail["type"] == "missing":
        message = "is not given"
    found = "" if _is_hidden(place, detail["input"]) else f", found {_shown(detail['input'])}"
    name = ".".join(place)[:_SHOWN_CHARS_MAX] or "settings"
    return f"{_where(place, origins, path)}{name}: {message}{found}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:_SHOWN_CHARS_MAX]}..."


def _is_hidden(place: tuple[str, ...], value: object) -> bool:
    """Whether the offending input is, or may hold, a secret, or says nothing by itself."""
    name = place[-1] if place else ""
    is_secret = any(word in name for word in ("secret", "password", "token", "url", "database"))
    return is_secret or value is PydanticUndefined or isinstance(value, dict | SecretStr)


def _where(
    place: tuple[str, ...], origins: Mapping[tuple[str, ...], str], path: Path | None
) -> str:
    given = sorted({origin for at, origin in origins.items() if at[: len(place)] == place})
    if len(given) != 1:
        return "".join(f"{origin}, " for origin in given)
    line = _line(path, place) if path and given[0].startswith("file ") else None
    return f"{given[0]}, line {line}: " if line else f"{given[0]}: "


def _line(path: Path, place: tuple[str, ...]) -> int | None:
    """The line of the setting, as far as a look at tables and names can tell."""
    table: tuple[str, ...] = ()
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", text):
            table = tuple(part.strip(" \t\"'") for part in header[1].split("."))
            if table == place:
                return number
        elif name := re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", text):
            parts = (part.strip("\"'") for part in name[1].split("."))
            if (*table, *parts) == place:
                return number
    return None


def _read_secret_files(settings: Settings, origins: dict[tuple[str, ...], str]) -> Settings:
    """The settings with each secret whose file is named; a secret and its file exclude another."""
    problems: list[str] = []
    kafka = _with_secret(settings.kafka, ("kafka",), "sasl_password", origins, problems)
    kafka = _with_secret(kafka, ("kafka",), "ssl_key_password", origins, problems)
    hooks = settings.sinks.webhooks.items()
    webhooks = {
        n: _with_secret(h, ("sinks", "webhooks", n), "secret", origins, problems) for n, h in hooks
    }
    smtp = _with_secret(settings.sinks.smtp, ("sinks", "smtp"), "password", origins, problems)
    registry = _with_secret(settings.registry, ("registry",), "password", origins, problems)
    registry = _with_secret(registry, ("registry",), "token", origins, problems)
    view = _with_secret(settings.view, ("view",), "database_password", origins, problems)
    files: list[tuple[tuple[str, ...], Path | None]] = [
        *((("kafka", name), getattr(kafka, name)) for name in KAFKA_FILES),
        (("sinks", "smtp", "ca_file"), smtp.ca_file),
        (("registry", "ca_file"), registry.ca_file),
        (("view", "database_ca_file"), view.database_ca_file),
        (("partners", "webhook_ca_file"), settings.partners.webhook_ca_file),
    ]
    for place, file in files:
        if file is not None and not os.path.isfile(file):  # noqa: PTH113 - as above
            origin = origins.get(place, "default")
            problems.append(f"{origin}: {'.'.join(place)}: there is no file {file}")
    token = registry.token
    if token is not None and not FIT_FOR_HEADER.fullmatch(token.get_secret_value()):
        origin = origins.get(("registry", "token"), "default")
        problems.append(
            f"{origin}: registry.token: holds a blank, a line end or what is not ASCII, or is empty"
        )
    if problems:
        raise ConfigurationError(tuple(problems))
    sinks = settings.sinks.model_copy(update={"webhooks": webhooks, "smtp": smtp})
    read = {"kafka": kafka, "registry": registry, "sinks": sinks, "view": view}
    return settings.model_copy(update=read)


def _with_secret(
    model: M,
    place: tuple[str, ...],
    name: str,
    origins: dict[tuple[str, ...], str],
    problems: list[str],
) -> M:
    file: Path | None = getattr(model, f"{name}_file")
    if file is None:
        return model
    field = ".".join((*place, f"{name}_file"))
    origin = origins.get((*place, f"{name}_file"), "default")
    if getattr(model, name) is not None:
        problems.append(f"{origin}: {field}: {name} is given too; one of them must go")
        return model
    try:
        with file.open("rb") as opened:
            data = opened.read(limits.SECRET_FILE_BYTES_MAX + 1)
        if len(data) > limits.SECRET_FILE_BYTES_MAX:
            problems.append(
                f"{origin}: {field}: {file} has over {limits.SECRET_FILE_BYTES_MAX} bytes"
            )
            return model
        secret = data.decode("utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        problems.append(f"{origin}: {field}: {file} cannot be read: {reason}")
        return model
    if not secret:
        problems.append(f"{origin}: {field}: {file} is empty")
        return model
    origins[(*place, name)] = f"file {file}"
    return model.model_copy(update={name: SecretStr(secret)})


def _unknown_variables() -> tuple[str, ...]:
    """Variables with our prefix that no setting reads: a warning, for others may own them."""
    known = set(Settings.model_fields)
    unknown = [
        name
        for name in os.environ
        if name.upper().startswith(PREFIX)
        and not FOREIGN_VARIABLES.match(name.upper())
        and name.upper().removeprefix(PREFIX).split("__")[0].lower() not in known
    ]
    return tuple(f"environment {name}: there is no such setting" for name in sorted(unknown))
