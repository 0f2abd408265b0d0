"""`slipwatch network`: check a folder, publish it, show what is published."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from alerts.texts import counted
from schemas.units import instant
from streams.cli.session import Session, console, finish, json_option, pass_session, print_json
from streams.engine.clock import WallClock
from streams.exits import Exit
from streams.published import read_published
from streams.publishing import Publication
from streams.sending import Sender
from topology import network as networks
from topology.load import LoadResult, summary
from topology.load import check as check_folder
from topology.network import Network

TOPIC = "networks"
DIR = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def network() -> None:
    """Check, publish and show the network: parties, sites, items, lanes, accounts.

    \b
    Examples:
      slipwatch network check examples/networks/three-tier
      slipwatch network publish examples/networks/three-tier
      slipwatch network show
    """


@network.command("check")
@click.argument("folder", type=DIR)
@json_option
def check_network(folder: Path, as_json: bool) -> None:
    """Check the YAML and CSV files in FOLDER: all errors at once, each with file, line and field.

    Ends with code 1 when there are errors. Warnings do not stand against publishing.
    """
    _report(check_folder(folder), as_json=as_json)


@network.command("publish")
@click.argument("folder", type=DIR)
@json_option
@pass_session
def publish_network(session: Session, folder: Path, as_json: bool) -> None:
    """Check FOLDER and publish it as a new version, which the workers take up at a tick."""
    result = check_folder(folder)
    if result.network is None:
        _report(result, as_json=as_json)
        return
    data = networks.encode(result.network)
    publication = Publication(result.network.version, data, instant(WallClock().now()))
    records = Sender(session.settings).publish(TOPIC, publication)
    if as_json:
        print_json(_described(result.network) | {"published": True, "records": records})
        return
    _print(result)
    console().print(
        f"Published version {result.network.version}: {len(data)} bytes in "
        f"{counted(records, 'record')}."
    )


@network.command("show")
@json_option
@pass_session
def show_network(session: Session, as_json: bool) -> None:
    """Show the version that was published last, and how many there are."""
    with session.log() as log:
        versions = list(read_published(log, TOPIC))
    if not versions:
        console().print("No network is published. To publish one: slipwatch network publish DIR")
        finish(Exit.FINDINGS)
    newest = versions[-1]
    found = networks.decode(newest.data)
    described = _described(found) | {
        "published_at": newest.published_at,
        "publications": len(versions),
    }
    if as_json:
        print_json(described)
        return
    _print_counts(found)
    console().print(f"published at {newest.published_at.isoformat()}, {len(versions)} in all")


def _report(result: LoadResult, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "errors": [dataclasses.asdict(each) for each in result.errors],
                "errors_omitted": result.omitted_count,
                "warnings": [dataclasses.asdict(each) for each in result.warnings],
                "network": _described(result.network) if result.network else None,
            }
        )
    else:
        _print(result)
    if result.network is None:
        finish(Exit.FINDINGS)


def _described(found: Network) -> dict[str, object]:
    return dict(dataclasses.asdict(summary(found)))


def _print(result: LoadResult) -> None:
    for error in result.errors:
        click.echo(f"error: {error}")
    if result.omitted_count:
        click.echo(f"error: and {result.omitted_count} more")
    for warning in result.warnings:
        click.echo(f"warning: {warning}")
    if result.network is None:
        click.echo(
            f"{counted(len(result.errors) + result.omitted_count, 'error')}: not publishable."
        )
        return
    _print_counts(result.network)
    click.echo(f"{counted(len(result.warnings), 'warning')}, no errors.")


def _print_counts(found: Network) -> None:
    counts = _described(found)
    click.echo(f"network {counts.pop('version')}")
    for name, count in counts.items():
        click.echo(f"  {name.replace('_', ' '):<20}{count}")
