"""The settings of the door: where it listens, who may tell, and the folders that it looks into."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import AnyHttpUrl, Field, model_validator

from schemas.limits import REFERENCE_LENGTH_MAX
from schemas.partner_sources import PARTNER_MARK, partner_source
from streams.sections import Port, Section


class FolderSettings(Section):
    """One folder, and who puts files into it. Its table's name is for logs."""

    path: Path = Field(description="Where files of facts are put.")
    party: str | None = Field(
        default=None,
        min_length=1,
        max_length=REFERENCE_LENGTH_MAX - len(PARTNER_MARK),
        pattern=r"^[^/]*$",
        description="The party that puts them there; what it tells is checked.",
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="For a system of our own: the source of its facts.",
    )
    mapping: Path | None = Field(default=None, description="The mapping by which its CSV is read.")

    @property
    def told_by(self) -> str:
        """The source of what the files say."""
        return partner_source(self.party) if self.party is not None else self.source or ""

    @model_validator(mode="after")
    def _is_somebodys(self) -> Self:
        if (self.party is None) == (self.source is None):
            raise ValueError("a folder needs a party or a source, and not both")
        if self.source is not None and self.source.startswith(PARTNER_MARK):
            raise ValueError(f"source {self.source!r} is no source of our own; give the party")
        return self


class DoorSettings(Section):
    """The door: a process that takes facts in over HTTP and from folders."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(
        default=8382, description="Port to listen on; 0 takes a free one and says which."
    )
    tokens_file: Path = Field(
        default=Path(".slipwatch/tokens.json"),
        description="Who may tell what over HTTP; `slipwatch door token` writes it, mode 0600.",
    )
    link_keys_file: Path = Field(
        default=Path(".slipwatch/link-keys"),
        description="Keys that seal links; `slipwatch door link-key` writes it, mode 0600. The "
        "workers need it to ask by webhook.",
    )
    public_url: AnyHttpUrl | None = Field(
        default=None,
        description="Where partners reach the door; links begin with it. Without it webhooks hold "
        "none.",
    )
    folders: dict[str, FolderSettings] = Field(
        default_factory=dict, description="Folders by name; files put there are taken in."
    )

    @model_validator(mode="after")
    def _folders_lie_apart(self) -> Self:
        paths = [folder.path.absolute() for folder in self.folders.values()]
        for path in paths:
            if paths.count(path) > 1:
                raise ValueError(f"{path} is the path of two folders, and told by one only")
        return self
