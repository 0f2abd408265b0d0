"""No door is missing from the list: every public reader of bytes or files is behind one."""

from __future__ import annotations

import ast
import importlib

from tests.architecture.sources import Module, modules
from tests.fuzz.doors import DOORS

READERS = ("load", "read", "decode", "parse", "restore")
"""What a function that takes in bytes, text or files is called here, or how its name begins."""

INPUTS = frozenset({"bytes", "bytes | None", "Path", "Path | None", "Record", "Entry"})

# "module:function": which door its input comes through, or why it has none.
BEHIND: dict[str, str] = {
    "schemas.codec:decode_body": "wire: FactDecoder is the way in",
    "schemas.codec:unpack": "view and state: rows and ledgers hold packs",
    "schemas.bulk:decode_decimal": "wire: a part of a body",
    "schemas.records:decode": "control, view, owed: every record for readers",
    "topology.reading:read_table": "network: read_file is the way in",
    "alerts.document:parsed": "policy: read_policy is the way in",
    "streams.replay.mapping_file:load_mapping": "mapping: reads the file for read_mapping",
    "streams.engine.control:read_tick": "control: every tick",
    "schemas.json_facts:parse_json": "facts: the body of a request",
    "console.reading:read_record": "view: bodies that it took itself",
}


def _takes_bytes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    given = [*node.args.posonlyargs, *node.args.args]
    kinds = {ast.unparse(each.annotation) for each in given if each.annotation is not None}
    return bool(kinds & INPUTS)


def _readers(module: Module) -> set[str]:
    name = module.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return {
        f"{name}:{node.name}"
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith(READERS)
        and _takes_bytes(node)
    }


def test_every_public_reader_of_bytes_is_behind_a_door() -> None:
    found = {
        reader
        for module in modules()
        if not module.path.startswith(("streams/cli/", "streams/demo/", "streams/simulator/"))
        for reader in _readers(module)
    }
    behind = {loader for door in DOORS for loader in door.loaders}
    assert found - behind - set(BEHIND) == set()


def test_every_loader_that_a_door_names_exists() -> None:
    for door in DOORS:
        for loader in door.loaders:
            module, name = loader.split(":")
            assert hasattr(importlib.import_module(module), name), loader
    for loader in BEHIND:
        module, name = loader.split(":")
        assert hasattr(importlib.import_module(module), name), loader


def test_names_of_doors_are_unique() -> None:
    names = [door.name for door in DOORS]
    assert len(names) == len(set(names))
