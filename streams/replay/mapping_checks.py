"""What can be known to be wrong with a mapping before the first row is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.facts import FACT_TYPES, Family
from schemas.kinds import KIND_BY_NAME, FactKind, Subject
from streams.replay.expressions import (
    Amount,
    Column,
    Constant,
    Date,
    Earliest,
    Expression,
    First,
    Holds,
    Identifier,
    Integer,
    Latest,
    Lookup,
    Moment,
    Money,
    Named,
    Noted,
    Sum,
    Text,
    ValueType,
    compared,
    parts,
)
from streams.replay.mapping import FactRule, Mapping, Place, Reading, expressions, roots
from topology.problems import quoted, suggestion
from topology.zones import zone_names

MONEY_FIELDS = {"value": "value_minor", "price": "price_minor"}
"""Fields of a mapping that fill two of the fact: the amount in minor units, and `currency`."""
_MONEY_SHOWN = {minor: name for name, minor in MONEY_FIELDS.items()}

_OWN_FIELDS = frozenset({"event_id", "source", "kind", "occurred_at", "recorded_at"})
_TYPE_OF_ANNOTATION = {
    "str": ValueType.TEXT,
    "int": ValueType.INTEGER,
    "bool": ValueType.BOOLEAN,
    "Day": ValueType.DATE,
    "UtcMillis": ValueType.MOMENT,
    "Quantity": ValueType.QUANTITY,
}
_REFERENCES: dict[Subject, tuple[tuple[str, ...], ...]] = {
    Subject.LINE: (("order_ref", "line"), ("supplier_ref", "supplier_line")),
    Subject.LINE_OR_ORDER: (("order_ref",), ("supplier_ref",)),
    Subject.SHIPPED_LINE: (
        ("shipment_ref", "order_ref", "line"),
        ("shipment_ref", "supplier_ref", "supplier_line"),
    ),
    Subject.SHIPMENT_OR_LINE: (
        ("shipment_ref",),
        ("carrier_ref",),
        ("order_ref", "line"),
        ("supplier_ref", "supplier_line"),
    ),
    Subject.STOCK_NODE: (("item", "site"),),
    Subject.INVOICED_LINE: (
        ("invoice_ref", "order_ref", "line"),
        ("invoice_ref", "supplier_ref", "supplier_line"),
    ),
    Subject.INVOICE_OR_LINE: (
        ("invoice_ref",),
        ("order_ref", "line"),
        ("supplier_ref", "supplier_line"),
    ),
    Subject.PAYMENT: (("payment_ref",), ("invoice_ref",), ("order_ref",), ("supplier_ref",)),
    Subject.SOURCE: ((),),
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong at one place of a mapping."""

    path: Place
    found: str
    expected: str


def faults(mapping: Mapping) -> list[Fault]:
    """What pydantic cannot see: names, loops, types, fields that a kind needs."""
    if mapping.inputs:
        told = [name for name in ("file", "sqlite", "joins", "values", "facts", "cells")
                if name in mapping.model_fields_set]  # fmt: skip
        if told:
            expected = "it in each of the `inputs`, or no `inputs`"
            return [Fault((name,), f"`{name}` beside `inputs`", expected) for name in told]
    found: list[Fault] = []
    readings = mapping.readings()
    for at, reading in enumerate(readings):
        found += _input_faults(readings, at, reading)
    for reading in readings:
        found += _reading_faults(reading)
    return found


def _input_faults(readings: tuple[Reading, ...], at: int, reading: Reading) -> Iterator[Fault]:
    """What is wrong with an input as a whole, and between it and the others."""
    body, place = reading.body, reading.place
    if body.file is None and body.sqlite is None:
        yield Fault((*place, "file"), "nothing", "a value: `file` or `sqlite` is required")
    if body.file is not None and body.sqlite is not None:
        yield Fault((*place, "sqlite"), "`sqlite` beside `file`", "one of them")
    names = [each.name for each in readings]
    if reading.name in names[:at]:
        yield Fault((*place, "name"), f"a second {reading.name!r}", "a name of its own")
    joined = {join.input for each in readings for join in each.body.joins.values()}
    if not body.facts and reading.name not in joined:
        expected = "facts, or another input that joins this one"
        yield Fault((*place, "facts"), "nothing", expected)
    before: set[str] = set()
    for name, join in body.joins.items():
        path = (*place, "joins", name)
        if not name.replace("-", "").replace("_", "").isalnum():
            yield Fault(path, quoted(name), "a name of letters, digits, hyphens and underscores")
        if join.input not in names:
            known = suggestion(join.input, names)
            yield Fault((*path, "input"), quoted(join.input), f"an input of this mapping{known}")
        of = reading.join_of(join.by)
        if of is not None and of not in before:
            yield Fault((*path, "by"), quoted(join.by), "a column, of this input or a join before")
        before.add(name)


def _reading_faults(reading: Reading) -> list[Fault]:
    found = [*_name_faults(reading), *_label_faults(reading)]
    if found:
        return found
    place = reading.place
    looped = _looped_value(reading)
    if looped is not None:
        return [Fault((*place, "values", looped), "a value that is made of itself", "no such loop")]
    types = _Types(reading)
    for path, root in roots(reading):
        if path[len(place)] == "values" or path[-1] == "when":
            found += types.faults(path, root)
    for at, rule in enumerate(reading.body.facts):
        at_rule: Place = (*place, "facts", at)
        found += _rule_faults(types, at_rule, rule)
        for each in compared(rule.when) if rule.when is not None else ():
            if types.type_of(each) is not ValueType.TEXT:
                given = str(types.type_of(each))
                found.append(Fault((*at_rule, "when"), f"{given} in `equals`", "text there"))
    return found


def _name_faults(reading: Reading) -> Iterator[Fault]:
    mapping, values = reading.mapping, reading.body.values
    for path, expression in expressions(reading):
        match expression:
            case Named(value=name):
                yield from _unknown(path, name, "a named value", values)
            case Lookup(lookup=inner):
                yield from _unknown(path, inner.table, "a table", mapping.tables)
            case Column(column=cell) if cell.sentinels is not None:
                yield from _unknown(path, cell.sentinels, "a list of sentinels", mapping.sentinels)
            case Text():
                for name in expression.placeholders:
                    if name.startswith("="):
                        yield from _unknown(path, name[1:], "a named value", values)
            case Moment(moment=inner) if inner.zone is not None and inner.zone not in zone_names():
                yield Fault(path, quoted(inner.zone), "a time zone of the IANA database")
            case _:
                pass
    for at, rule in enumerate(reading.body.cells):
        if rule.sentinels is not None:
            place: Place = (*reading.place, "cells", at, "sentinels")
            yield from _unknown(place, rule.sentinels, "a list of sentinels", mapping.sentinels)


def _unknown(path: Place, name: str, what: str, known: Iterable[str]) -> Iterator[Fault]:
    if name not in known:
        yield Fault(path, quoted(name), f"{what} of this mapping{suggestion(name, tuple(known))}")


def _label_faults(reading: Reading) -> Iterator[Fault]:
    seen: set[str] = set()
    for at, rule in enumerate(reading.body.facts):
        if rule.label in seen:
            expected = "a `name` of its own, for two facts of one kind share event ids otherwise"
            yield Fault((*reading.place, "facts", at), f"a second {rule.label!r}", expected)
        seen.add(rule.label)


def _looped_value(reading: Reading) -> str | None:
    """A named value that is, at some depth, made of itself."""
    needs: dict[str, set[str]] = {}
    for path, expression in expressions(reading):
        if path[-2] != "values":
            continue
        needed = needs.setdefault(str(path[-1]), set())
        match expression:
            case Named(value=name):
                needed.add(name)
            case Text():
                needed |= {each[1:] for each in expression.placeholders if each.startswith("=")}
            case _:
                pass
    solved: set[str] = set()
    while True:
        ready = {name for name, needed in needs.items() if name not in solved and needed <= solved}
        if not ready:
            return next((name for name in needs if name not in solved), None)
        solved |= ready


class _Types:
    """What type each expression gives, for an input whose names are all known and loop-free."""

    def __init__(self, reading: Reading) -> None:
        self._values = reading.body.values

    def faults(self, path: Place, expression: Expression) -> list[Fault]:
        """Operations in the expression on values of the wrong type."""
        found: list[Fault] = []
        for part in parts(expression):
            found += self.faults(path, part)
        wanted = self._operand(expression)
        if wanted is not None:
            for part in parts(expression):
                given = self.type_of(part)
                if given not in wanted:
                    expected = " or ".join(wanted)
                    operation = next(iter(type(expression).model_fields))
                    found.append(Fault(path, f"{given} in `{operation}`", f"{expected} there"))
        if isinstance(expression, First | Earliest | Latest | Sum):
            given_types = {self.type_of(part) for part in parts(expression)}
            if len(given_types) > 1:
                shown = " and ".join(sorted(given_types))
                found.append(Fault(path, f"{shown} as choices or parts", "these of one type"))
        if isinstance(expression, Moment):
            found += self._moment_faults(path, expression)
        if isinstance(expression, Text):
            for name in expression.placeholders:
                if name.startswith("="):
                    given = self.type_of(self._values[name[1:]])
                    if given is not ValueType.TEXT:
                        found.append(Fault(path, f"{given} in `text`", "a named value of text"))
        return found

    def _moment_faults(self, path: Place, expression: Moment) -> Iterator[Fault]:
        inner = expression.moment
        dated = self.type_of(inner.of) is ValueType.DATE
        if dated and (inner.at is None or inner.formats):
            yield Fault(path, "a moment of a date", "`at` (a time of day) and no `formats`")
        if not dated and not inner.formats:
            yield Fault(path, "a moment of a text", "`formats`")

    def _operand(self, expression: Expression) -> tuple[ValueType, ...] | None:
        match expression:
            case Lookup() | Identifier() | Date() | Amount() | Integer() | Money():
                return (ValueType.TEXT,)
            case Moment():
                return ValueType.TEXT, ValueType.DATE
            case Earliest() | Latest():
                return ValueType.DATE, ValueType.MOMENT
            case Sum():
                return ValueType.QUANTITY, ValueType.INTEGER, ValueType.MONEY
            case _:
                return None

    def type_of(self, expression: Expression) -> ValueType:
        """The type of what the expression gives."""
        match expression:
            case Column() | Text() | Constant() | Lookup() | Identifier():
                return ValueType.TEXT
            case Named(value=name):
                return self.type_of(self._values[name])
            case Date():
                return ValueType.DATE
            case Moment():
                return ValueType.MOMENT
            case Amount():
                return ValueType.QUANTITY
            case Integer():
                return ValueType.INTEGER
            case Money():
                return ValueType.MONEY
            case Holds():
                return ValueType.BOOLEAN
            case First(first=choices) | Earliest(earliest=choices) | Latest(latest=choices):
                return self.type_of(choices[0])
            case Sum(sum=addends):
                return self.type_of(addends[0])
            case Noted(noted=noted):
                return self.type_of(noted.of)


def field_types(family: Family) -> dict[str, ValueType]:
    """The type of every field that a mapping may fill in a fact of the family."""
    annotations = FACT_TYPES[family].__annotations__
    types = {
        name: _TYPE_OF_ANNOTATION[str(text).removesuffix(" | None")]
        for name, text in annotations.items()
        if name not in _OWN_FIELDS
    }
    for name, minor in MONEY_FIELDS.items():
        if types.pop(minor, None) is not None:
            types[name] = ValueType.MONEY
            types.pop("currency", None)
    return types


def _rule_faults(types: _Types, place: Place, rule: FactRule) -> Iterator[Fault]:
    kind = KIND_BY_NAME.get((rule.family, rule.kind))
    if kind is None:
        known = [name for family, name in KIND_BY_NAME if family == rule.family]
        found = f"the kind {quoted(rule.kind)}"
        expected = f"a kind of {rule.family}: {', '.join(known)}"
        yield Fault((*place, "kind"), found, expected)
        return
    known_types = field_types(rule.family)
    roots: list[tuple[Place, ValueType, Expression]] = [
        ((*place, "occurred_at"), ValueType.MOMENT, rule.occurred_at)
    ]
    if rule.recorded_at is not None:
        roots.append(((*place, "recorded_at"), ValueType.MOMENT, rule.recorded_at))
    for name, expression in rule.fields.items():
        path = (*place, "fields", name)
        if name not in known_types:
            expected = f"a field of {rule.family}{suggestion(name, list(known_types))}"
            yield Fault(path, f"the field {quoted(name)}", expected)
            continue
        roots.append((path, known_types[name], expression))
    for path, wanted, expression in roots:
        faults = types.faults(path, expression)
        yield from faults
        if not faults and types.type_of(expression) is not wanted:
            yield Fault(path, str(types.type_of(expression)), f"an expression that gives {wanted}")
    yield from _missing(place, kind, rule)


def _missing(place: Place, kind: FactKind, rule: FactRule) -> Iterator[Fault]:
    filled = {MONEY_FIELDS.get(name, name) for name in rule.fields}
    for required in kind.required:
        # A field of money fills the currency beside its amount.
        if required == "currency" or any(name in filled for name in required.split("|")):
            continue
        shown = _MONEY_SHOWN.get(required, required).replace("|", " or ")
        expected = f"the field {shown}, which {kind.name} needs"
        yield Fault((*place, "fields"), "nothing", expected)
    ways = _REFERENCES[kind.subject]
    if not any(all(name in rule.fields for name in way) for way in ways):
        shown = " or ".join(" and ".join(way) for way in ways)
        yield Fault((*place, "fields"), "no reference", f"{shown}: what {kind.name} is about")
