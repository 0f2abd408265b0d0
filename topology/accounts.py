"""Accounts and those above them: who looks after what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from topology.model import Account


def line_of(accounts: Mapping[str, Account], start: str) -> tuple[Account, ...]:
    """The account and its parents, upwards; ends at an unknown parent or where a loop closes."""
    line: dict[str, Account] = {}
    current = accounts.get(start)
    while current is not None and current.id not in line:
        line[current.id] = current
        current = accounts.get(current.parent)
    return tuple(line.values())


def inherited(accounts: Iterable[Account]) -> tuple[Account, ...]:
    """The accounts in their order; one without an account manager has that of the nearest parent
    with one."""
    declared = {account.id: account for account in accounts}
    return tuple(
        msgspec.structs.replace(
            account,
            account_manager=next(
                (each.account_manager for each in line_of(declared, name) if each.account_manager),
                "",
            ),
        )
        for name, account in declared.items()
    )
