"""The house rules that a reader relies on and no other tool checks.

Where a rule has exceptions they are listed beside it, with the reason; an entry that is no longer
needed fails the test too, so the lists only say what is true.
"""

from __future__ import annotations

import ast

import pytest

from tests.architecture.sources import Module, dotted, functions, imported_names, modules

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

FORBIDDEN_MODULE_NAMES = frozenset(
    {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
)

# path: why this file catches everything.
CATCHES_EVERYTHING: dict[str, str] = {
    "streams/engine/task.py": "the engine: a key whose evaluation fails is parked, visibly",
    "streams/app/thread_host.py": "the edge of the threads of the worker: the process ends with it",
    "streams/cli/root.py": "the edge of the process: what nobody foresaw gets its exit code",
    "console/server.py": "the edge of the follower's thread: raised again by who waits for it",
}

# path: why this file reads a clock.
READS_A_CLOCK: dict[str, str] = {
    "streams/engine/clock.py": "the one clock of the system, handed to the ticker",
    "console/database.py": "says how fresh the view is",
}

# path: why it is longer than that.
LONG_FILES: dict[str, str] = {}

# "path function": why it is longer than that.
LONG_FUNCTIONS: dict[str, str] = {}

# Reading any of these makes a result depend on more than the arguments.
WALL_CLOCKS = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.localtime",
        "time.gmtime",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
    }
)
SHELL_ONLY_IMPORTS = frozenset(
    {
        "asyncio",
        "concurrent",
        "logging",
        "multiprocessing",
        "os",
        "random",
        "secrets",
        "socket",
        "sqlite3",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    }
)


def assert_only_known(found: dict[str, str], known: dict[str, str], rule: str) -> None:
    """`found` maps an exception to where it stands; `known` maps it to its reason."""
    new = [f"  {where}" for key, where in sorted(found.items()) if key not in known]
    assert not new, "\n".join([rule, *new])
    stale = sorted(set(known) - set(found))
    assert not stale, f"no longer needed, take it off the list: {stale}"


def test_there_is_something_to_check() -> None:
    paths = {module.path for module in modules()}
    assert "schemas/__init__.py" in paths


def test_no_file_is_too_long() -> None:
    found = {}
    for module in modules():
        lines = len(module.text.splitlines())
        if lines > FILE_LINES_MAX:
            found[module.path] = f"{module.path}: {lines} lines"
    assert_only_known(found, LONG_FILES, f"longer than {FILE_LINES_MAX} lines:")


def test_no_function_is_too_long() -> None:
    found = {}
    for module in modules():
        for function in functions(module.tree):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                key = f"{module.path} {function.name}"
                found[key] = f"{module.path}:{function.lineno} {function.name}: {lines} lines"
    assert_only_known(found, LONG_FUNCTIONS, f"longer than {FUNCTION_LINES_MAX} lines:")


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.path)
def test_modules_are_named_for_what_is_in_them(module: Module) -> None:
    parts = module.path.removesuffix(".py").split("/")
    assert not FORBIDDEN_MODULE_NAMES.intersection(parts)


def test_only_the_boundary_catches_everything() -> None:
    found = {}
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and _swallows_everything(node):
                found[module.path] = f"{module.path}:{node.lineno}"
    assert_only_known(
        found, CATCHES_EVERYTHING, "catches every exception, without raising it again:"
    )


def _swallows_everything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    is_broad = any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in types)
    last = handler.body[-1]
    raises_again = isinstance(last, ast.Raise) and last.exc is None
    return is_broad and not raises_again


def test_only_the_shell_reads_a_clock() -> None:
    found = {}
    for module in modules():
        for node in ast.walk(module.tree):
            # The last two names, so that datetime.datetime.now is found as well.
            if ".".join(dotted(node).split(".")[-2:]) in WALL_CLOCKS:
                found[module.path] = f"{module.path}:{getattr(node, 'lineno', 0)}"
        for statement, name in imported_names(module.tree):
            if name in WALL_CLOCKS:
                found[module.path] = f"{module.path}:{statement.lineno}"
    assert_only_known(found, READS_A_CLOCK, "reads a clock; time is an argument:")


def test_no_module_of_the_core_reads_a_clock() -> None:
    core = {module.path for module in modules() if module.is_core}
    assert not core.intersection(READS_A_CLOCK)


def test_the_core_imports_nothing_that_only_a_shell_needs() -> None:
    found = [
        f"{module.path}:{statement.lineno} {name}"
        for module in modules()
        if module.is_core
        for statement, name in imported_names(module.tree)
        if name.split(".")[0] in SHELL_ONLY_IMPORTS
    ]
    assert not found, "\n".join(["the core has no I/O, clock, chance or threads:", *found])


def test_the_core_depends_on_no_hash_seed() -> None:
    found = []
    for module in modules():
        if not module.is_core:
            continue
        # What __hash__ answers goes into dictionaries and never out of them.
        exempt = {
            inner
            for function in functions(module.tree)
            if function.name == "__hash__"
            for inner in ast.walk(function)
        }
        for node in ast.walk(module.tree):
            if node in exempt:
                continue
            if isinstance(node, ast.Call) and (
                dotted(node.func) in {"hash", "id"} or _walks_a_set(node)
            ):
                found.append(f"{module.path}:{node.lineno}")
            if isinstance(node, ast.For | ast.comprehension) and _is_a_set(node.iter):
                found.append(f"{module.path}:{node.iter.lineno}")
    assert not found, "\n".join(["differs from process to process (sort it):", *found])


def _walks_a_set(call: ast.Call) -> bool:
    """`list({...})`, `tuple(set(...))`: the order of a set becomes visible."""
    makes_a_sequence = dotted(call.func) in {"list", "tuple", "enumerate", "iter", "zip"}
    return makes_a_sequence and any(_is_a_set(argument) for argument in call.args)


def _is_a_set(node: ast.AST) -> bool:
    is_call = isinstance(node, ast.Call) and dotted(node.func) in {"set", "frozenset"}
    return is_call or isinstance(node, ast.Set | ast.SetComp)


def test_imports_stand_at_the_top_outside_the_command_line() -> None:
    found = [
        f"{module.path}:{node.lineno} in {function.name}"
        for module in modules()
        if not module.path.startswith("streams/cli/")
        for function in functions(module.tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not found, "\n".join(["imports inside a function:", *found])


def test_nothing_happens_when_a_module_is_imported() -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if not module.path.endswith("/__main__.py")
        for node in module.tree.body
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
    ]
    assert not found, "\n".join(["a call at import time:", *found])


def test_no_module_keeps_state() -> None:
    found = []
    for module in modules():
        found += [
            f"{module.path}:{node.lineno} global"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Global)
        ]
        found += [
            f"{module.path}:{node.lineno} starts empty, so somebody fills it"
            for node in module.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and _is_empty_container(node.value)
        ]
    assert not found, "\n".join(["state in a module:", *found])


def _is_empty_container(node: ast.expr | None) -> bool:
    match node:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Name(id="list" | "dict" | "set"), args=[], keywords=[]):
            return True
        case _:
            return False


@pytest.mark.parametrize(
    "module",
    [module for module in modules() if module.path.endswith("/__init__.py")],
    ids=lambda module: module.path,
)
def test_every_package_says_what_it_is_for(module: Module) -> None:
    assert ast.get_docstring(module.tree), f"{module.path} has no docstring"
