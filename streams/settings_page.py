"""docs/configuration.md: how settings are given, and a row for each, made from the settings."""

from __future__ import annotations

from pydantic_core import PydanticUndefined

from streams.config import Loaded, show
from streams.settings import NAMED_TABLES, Settings

PAGE_HEAD = """\
# Configuration

Settings come from one file and the environment. The environment goes before the file, the file
before the defaults. The file is TOML: the one named by `slipwatch --config FILE`, else by the
variable `SLIPWATCH_CONFIG`, else slipwatch.toml in the working directory if it is there. The
setting `engine.tick_ms` is `tick_ms` in the table `[engine]`, and `SLIPWATCH_ENGINE__TICK_MS` in
the environment. `slipwatch config show` prints every value with where it came from, and
`slipwatch check` says what else is missing.

A wrong value stops a command with code 3 and one line for each problem: where it stands, which
setting, what was found and what was expected. A name in the file that no setting has is an error; a
variable that begins with `SLIPWATCH_` and that no setting reads is a warning.

Secrets, such as `sasl_password`, `database_password`, `secret` and `token`, are never shown. Each
can be given by a file instead, by the setting of the same name with `_file` behind it; not both.

```toml
[kafka]
bootstrap_servers = "broker-1:9093,broker-2:9093"
security_protocol = "SASL_SSL"
sasl_mechanism = "SCRAM-SHA-512"
sasl_username = "slipwatch"
sasl_password_file = "/run/secrets/kafka-password"
ssl_ca_file = "/etc/slipwatch/ca.pem"

[topics]
replication_factor = 3

[engine]
session_timeout_ms = 20000

[sinks.webhooks.planners]
url = "https://planning.example.com/slipwatch"
secret_file = "/run/secrets/planners-webhook"

[sinks.smtp]
host = "mail.example.com"
sender = "slipwatch@example.com"

[sinks.mailboxes.nordic-desk]
address = "nordic-desk@example.com"
time_zone = "Europe/Oslo"
```

The same Kafka settings go to both clients in a worker, librdkafka and aiokafka.

## All settings, made from `streams/settings.py` by `make docs`

"""


def configuration_page() -> str:
    """docs/configuration.md: the text above, and a row for each setting."""
    default = Loaded(Settings(), {}, None, ())
    rows = [_row(value.name, value.value, value.says) for value in show(default)]
    rows += [
        _row(f"{table}.NAME.{name}", field.get_default(), field.description or "")
        for table, model in NAMED_TABLES
        for name, field in model.model_fields.items()
    ]
    return "\n".join((f"{PAGE_HEAD}| setting | default | what it is |", "|---|---|---|", *rows, ""))


def _row(name: str, default: object, says: str) -> str:
    shown = "none" if default in (None, "", PydanticUndefined) else f"`{default}`"
    return f"| `{name}` | {shown} | {says} |"
