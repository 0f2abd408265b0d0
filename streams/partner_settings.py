"""The settings of partners' webhooks."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from streams.sections import Section


class PartnerSettings(Section):
    """How parties are told by webhook; which, and where, `slipwatch partners webhook` says."""

    webhook_key_file: Path = Field(
        default=Path(".slipwatch/webhook-key"),
        description="Key that the secrets of parties' webhooks are made of; `slipwatch partners "
        "webhook key` writes it, mode 0600. The workers need it.",
    )
    webhook_ca_file: Path | None = Field(
        default=None,
        description="Certificates to trust of parties' webhooks; the system's if not given.",
    )
    webhook_private_addresses: bool = Field(
        default=False,
        description="Whether a webhook may lead to an address that is not public, inside our own "
        "network.",
    )
