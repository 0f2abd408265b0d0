"""Every setting of Slipwatch: name, type, default, meaning. `streams.config` loads them.

Durations say their unit in the name. A field of type SecretStr never shows its value: not in repr,
not in logs, not in `slipwatch config show`.
"""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import ClassVar, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streams.door_settings import DoorSettings, FolderSettings
from streams.partner_settings import PartnerSettings
from streams.sections import Port, Section
from streams.sink_settings import MailboxSettings, SinkSettings, WebhookSettings

PASSWORD_IN_ADDRESS = re.compile(r"^[^:]*://[^/@:]*:.*@|[?&]password=")


class SecurityProtocol(enum.StrEnum):
    """How clients talk to the broker, in the words of Apache Kafka."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(enum.StrEnum):
    """The mechanisms that both clients speak without further libraries."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class GroupProtocol(enum.StrEnum):
    """How workers share partitions: `consumer` (KIP-848) needs Apache Kafka 4.0 or later; `auto`
    takes it where the broker has it, and `classic` elsewhere."""

    AUTO = "auto"
    CLASSIC = "classic"
    CONSUMER = "consumer"


class LogFormat(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(enum.StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class KafkaSettings(Section):
    """Where the broker is and how to get in; the same for every client in the process."""

    bootstrap_servers: str = Field(
        default="localhost:9092", description="Addresses, host:port, by comma."
    )
    client_id: str = Field(
        default="slipwatch", description="Name shown in the broker's logs and quotas."
    )
    security_protocol: SecurityProtocol = Field(
        default=SecurityProtocol.PLAINTEXT,
        description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
    )
    sasl_mechanism: SaslMechanism | None = Field(
        default=None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; with a SASL protocol."
    )
    sasl_username: str | None = Field(default=None, description="User for SASL.")
    sasl_password: SecretStr | None = Field(default=None, description="Password for SASL.")
    sasl_password_file: Path | None = Field(
        default=None, description="File that holds the password."
    )
    ssl_ca_file: Path | None = Field(
        default=None,
        description="Certificates of the authorities to trust; the system's if not given.",
    )
    ssl_certificate_file: Path | None = Field(default=None, description="Our certificate (PEM).")
    ssl_key_file: Path | None = Field(default=None, description="The key of our certificate (PEM).")
    ssl_key_password: SecretStr | None = Field(default=None, description="Password of that key.")
    ssl_key_password_file: Path | None = Field(default=None, description="File that holds it.")
    ssl_check_hostname: bool = Field(
        default=True, description="Whether the broker's certificate must bear the broker's name."
    )
    timeout_seconds: float = Field(
        default=10.0, gt=0, le=300, description="How long a command waits for the broker's answer."
    )

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol in (
            SecurityProtocol.SASL_PLAINTEXT,
            SecurityProtocol.SASL_SSL,
        )

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        protocol = self.security_protocol.value
        if self.uses_sasl:
            needed = {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_username": self.sasl_username,
                "sasl_password or sasl_password_file": self.sasl_password
                or self.sasl_password_file,
            }
            missing = [name for name, value in needed.items() if value is None]
            if missing:
                raise ValueError(f"security_protocol {protocol} needs {', '.join(missing)}")
        elif self.sasl_mechanism or self.sasl_username or self.sasl_password:
            raise ValueError(f"SASL settings are given, but security_protocol is {protocol}")
        if not self.uses_tls and (self.ssl_ca_file or self.ssl_certificate_file):
            raise ValueError(f"TLS files are given, but security_protocol is {protocol}")
        if (self.ssl_certificate_file is None) != (self.ssl_key_file is None):
            raise ValueError("ssl_certificate_file and ssl_key_file are only good together")
        return self


class RegistrySettings(Section):
    """The schema registry that explains ids in Confluent's wire format. None is needed for facts in
    single-object encoding."""

    url: AnyHttpUrl | None = Field(
        default=None, description="Address of the registry's HTTP interface."
    )
    username: str | None = Field(default=None, description="User, if it asks for one.")
    password: SecretStr | None = Field(default=None, description="Password of that user.")
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    token: SecretStr | None = Field(
        default=None, description="Bearer token, in place of user and password."
    )
    token_file: Path | None = Field(default=None, description="File that holds the token.")
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust; the system's if not given."
    )
    timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="How long one answer may take."
    )
    absent_after_seconds: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="For how long it must say that it knows no such id before facts with the id "
        "are refused: copies of a registry may lag behind.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        has_password = self.password is not None or self.password_file is not None
        has_token = self.token is not None or self.token_file is not None
        if (self.username is not None) != has_password:
            raise ValueError("username and password (or password_file) are only good together")
        if has_password and has_token:
            raise ValueError("a token takes the place of username and password; one must go")
        if self.url is not None and (self.url.username or self.url.password):
            raise ValueError("url holds a user or password; they have settings of their own")
        return self


class TopicSettings(Section):
    """How `slipwatch topics create` makes topics. What exists is never changed."""

    prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,120}$",
        description="Put before every topic name, so that several chains can share a broker.",
    )
    engine_partitions: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="Partitions of the engine's topics: the most workers at once.",
    )
    fact_partitions: int = Field(
        default=4, ge=1, le=1024, description="Partitions of the fact topics."
    )
    replication_factor: int = Field(
        default=-1,
        ge=-1,
        le=10,
        description="Copies of each partition; -1 is the broker's default.",
    )


class EngineSettings(Section):
    """The engine inside a worker."""

    application_id: str = Field(
        default="slipwatch",
        pattern=r"^[A-Za-z0-9._-]{1,120}$",
        description="Names the consumer groups and transactions; the same in all workers.",
    )
    tick_ms: int = Field(
        default=1_000,
        ge=20,
        le=3_600_000,
        description="Time between ticks; a tick makes things visible.",
    )
    facts_per_tick_max: int = Field(
        default=1_000_000,
        ge=1,
        le=10_000_000,
        description="A larger backlog is cut into several ticks; each looks at every line it "
        "touches once, and holds its facts in memory.",
    )
    transaction_timeout_ms: int = Field(
        default=30_000,
        ge=1_000,
        le=900_000,
        description="After this the broker aborts a transaction.",
    )
    session_timeout_ms: int = Field(
        default=10_000,
        ge=1_000,
        le=1_800_000,
        description="After this a silent worker is replaced.",
    )
    heartbeat_ms: int = Field(
        default=1_000, ge=100, le=600_000, description="Time between a worker's signs of life."
    )
    group_protocol: GroupProtocol = Field(
        default=GroupProtocol.AUTO,
        description="`consumer` leaves alone what stays where it was and needs Apache Kafka 4.0 or "
        "later; `classic` stops all workers for a moment; `auto` takes what the broker can do.",
    )

    standby: bool = Field(
        default=False,
        description="Keeps copies of the state that other workers own, so that a hand-over reads "
        "only what is newest; takes the memory of all state.",
    )

    @model_validator(mode="after")
    def _heartbeats_fit(self) -> Self:
        if self.heartbeat_ms * 3 > self.session_timeout_ms:
            raise ValueError(
                f"session_timeout_ms {self.session_timeout_ms} holds fewer than three heartbeats "
                f"of heartbeat_ms {self.heartbeat_ms}: one lost heartbeat would cost the worker "
                "its partitions"
            )
        return self


class WebSettings(Section):
    """The worker's web server: /health, /ready, /metrics."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container."
    )
    port: Port = Field(
        default=8380, description="Port to listen on; 0 takes a free one and says which."
    )


class ViewSettings(Section):
    """The view: a process that keeps the read model and answers over HTTP."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(
        default=8381, description="Port to listen on; 0 takes a free one and says which."
    )
    database: str = Field(
        default="sqlite:///.slipwatch/view.db",
        description="Where the read model is: sqlite:///FILE or "
        "postgresql://USER@HOST:PORT/NAME, without a password.",
    )
    database_password: SecretStr | None = Field(
        default=None, description="Password of the database's user."
    )
    database_password_file: Path | None = Field(
        default=None, description="File that holds the password."
    )
    database_ca_file: Path | None = Field(
        default=None,
        description="Certificates of the authorities to trust; with it the connection to "
        "PostgreSQL is encrypted.",
    )
    follow: bool = Field(
        default=True,
        description="Whether this view brings the database on, or only answers from one that "
        "another view brings on.",
    )

    @field_validator("database")
    @classmethod
    def _holds_no_password(cls, address: str) -> str:
        if PASSWORD_IN_ADDRESS.search(address):
            raise ValueError("holds a password; view.database_password is the setting for it")
        return address


class DeliverySettings(Section):
    """How notifications are delivered and when they are given up for a person to look at."""

    enabled: bool = Field(
        default=True, description="Whether this worker delivers notifications at all."
    )
    attempts_max: int = Field(
        default=12, ge=1, le=1_000, description="Attempts before a notification is parked."
    )
    backoff_seconds_min: float = Field(
        default=1.0, gt=0, le=3_600, description="Wait after the first failure; doubles each time."
    )
    backoff_seconds_max: float = Field(
        default=300.0, gt=0, le=86_400, description="The longest wait between two attempts."
    )
    queued_per_recipient_max: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Held in memory per recipient and sink; more stay in Kafka.",
    )
    timeout_seconds: float = Field(
        default=10.0, gt=0, le=300, description="How long one attempt may take."
    )

    @model_validator(mode="after")
    def _backoff_grows(self) -> Self:
        if self.backoff_seconds_max < self.backoff_seconds_min:
            raise ValueError("backoff_seconds_max is smaller than backoff_seconds_min")
        return self


class LogSettings(Section):
    """What the process writes to standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error.")
    format: LogFormat = Field(
        default=LogFormat.TEXT, description="text for people, json for machines."
    )


class Settings(BaseSettings):
    """All settings. Build it with `streams.config.load`, which knows the file and environment."""

    model_config = SettingsConfigDict(
        env_prefix="SLIPWATCH_", env_nested_delimiter="__", extra="forbid", frozen=True
    )
    FILE_NAME: ClassVar[str] = "slipwatch.toml"

    view_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://127.0.0.1:8381"), description="Where commands find the view."
    )
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    topics: TopicSettings = TopicSettings()
    engine: EngineSettings = EngineSettings()
    web: WebSettings = WebSettings()
    view: ViewSettings = ViewSettings()
    door: DoorSettings = DoorSettings()
    delivery: DeliverySettings = DeliverySettings()
    sinks: SinkSettings = SinkSettings()
    partners: PartnerSettings = PartnerSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: `streams.config` reads file and environment, and knows origins."""
        return (init_settings,)


NAMED_TABLES: tuple[tuple[str, type[Section]], ...] = (
    ("door.folders", FolderSettings),
    ("sinks.webhooks", WebhookSettings),
    ("sinks.mailboxes", MailboxSettings),
)
"""Tables of which there may be any number, each under a name of its own."""
