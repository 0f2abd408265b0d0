"""The settings of sinks: webhooks, and mailboxes with their mail server."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AnyHttpUrl, Field, SecretStr, model_validator

from streams.sections import Port, Section


class MailSecurity(enum.StrEnum):
    """How the connection to the mail server is secured."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class WebhookSettings(Section):
    """One webhook, signed as Standard Webhooks says. Its table's name is the sink's name."""

    url: AnyHttpUrl = Field(description="Where to POST.")
    secret: SecretStr | None = Field(
        default=None, description="Signing secret, `whsec_` and base64."
    )
    secret_file: Path | None = Field(default=None, description="File that holds the secret.")

    @model_validator(mode="after")
    def _has_secret(self) -> Self:
        if self.secret is None and self.secret_file is None:
            raise ValueError("a webhook needs secret or secret_file: receivers check signatures")
        return self


class MailboxSettings(Section):
    """One reader of e-mail. Its table's name is the sink's name."""

    address: str = Field(
        pattern=r"^[^@\s]+@[^@\s]+$", description="To whom; a list is the mail server's business."
    )
    time_zone: str = Field(
        default="UTC", description="In which the reader wants times, such as Europe/Oslo."
    )

    @model_validator(mode="after")
    def _zone_is_known(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"time_zone is {self.time_zone!r}, expected a name of the tz database such as "
                "Europe/Oslo"
            ) from error
        return self


class SmtpSettings(Section):
    """The mail server that takes e-mail for all mailboxes."""

    host: str | None = Field(default=None, description="Name of the mail server.")
    port: Port = Field(default=587, description="Its port; 465 is usual for `tls`, 25 for `none`.")
    security: MailSecurity = Field(
        default=MailSecurity.STARTTLS,
        description="starttls, tls, or none: only for a server on the same machine.",
    )
    sender: str | None = Field(
        default=None, pattern=r"^[^@\s]+@[^@\s]+$", description="From whom the messages are."
    )
    username: str | None = Field(default=None, description="User, if the server asks for one.")
    password: SecretStr | None = Field(default=None, description="Password of that user.")
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust; the system's if not given."
    )

    @model_validator(mode="after")
    def _password_is_kept(self) -> Self:
        has_password = self.password is not None or self.password_file is not None
        if (self.username is not None) != has_password:
            raise ValueError("username and password (or password_file) are only good together")
        if has_password and self.security is MailSecurity.NONE:
            raise ValueError("a password would cross the network readable with security `none`")
        return self


class SinkSettings(Section):
    """Where notifications can go beside the log, which is always there under the name `log`."""

    webhooks: dict[str, WebhookSettings] = Field(
        default_factory=dict, description="Webhooks by name; policies route to these names."
    )
    mailboxes: dict[str, MailboxSettings] = Field(
        default_factory=dict, description="Mailboxes by name; policies route to these names."
    )
    smtp: SmtpSettings = SmtpSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for kind, names in (("webhook", self.webhooks), ("mailbox", self.mailboxes)):
            if "log" in names:
                raise ValueError(f"a {kind} cannot be called `log`: that sink exists")
        both = sorted(self.webhooks.keys() & self.mailboxes.keys())
        if both:
            raise ValueError(f"{both[0]} is the name of a webhook and of a mailbox; change one")
        if self.mailboxes and (self.smtp.host is None or self.smtp.sender is None):
            raise ValueError("mailboxes need smtp.host and smtp.sender")
        return self
