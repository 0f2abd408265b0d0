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
    Text,
    ValueType,
    compared,
    parts,
)
from streams.replay.mapping import FactRule, Mapping, Place, expressions, roots
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
    found = [*_name_faults(mapping), *_label_faults(mapping)]
    if found:
        return found
    looped = _looped_value(mapping)
    if looped is not None:
        return [Fault(("values", looped), "a value that is made of itself", "no such loop")]
    types = _Types(mapping)
    for path, root in roots(mapping):
        if path[0] == "values" or path[-1] == "when":
            found += types.faults(path, root)
    for at, rule in enumerate(mapping.facts):
        found += _rule_faults(types, at, rule)
        for each in compared(rule.when) if rule.when is not None else ():
            if types.type_of(each) is not ValueType.TEXT:
                given = str(types.type_of(each))
                found.append(Fault(("facts", at, "when"), f"{given} in `equals`", "text there"))
    return found


def _name_faults(mapping: Mapping) -> Iterator[Fault]:
    for path, expression in expressions(mapping):
        match expression:
            case Named(value=name):
                yield from _unknown(path, name, "a named value", mapping.values)
            case Lookup(lookup=inner):
                yield from _unknown(path, inner.table, "a table", mapping.tables)
            case Column(column=cell) if cell.sentinels is not None:
                yield from _unknown(path, cell.sentinels, "a list of sentinels", mapping.sentinels)
            case Text():
                for name in expression.placeholders:
                    if name.startswith("="):
                        yield from _unknown(path, name[1:], "a named value", mapping.values)
            case Moment(moment=inner) if inner.zone is not None and inner.zone not in zone_names():
                yield Fault(path, quoted(inner.zone), "a time zone of the IANA database")
            case _:
                pass
    for at, rule in enumerate(mapping.cells):
        if rule.sentinels is not None:
            place: Place = ("cells", at, "sentinels")
            yield from _unknown(place, rule.sentinels, "a list of sentinels", mapping.sentinels)


def _unknown(path: Place, name: str, what: str, known: Iterable[str]) -> Iterator[Fault]:
    if name not in known:
        yield Fault(path, quoted(name), f"{what} of this mapping{suggestion(name, tuple(known))}")


def _label_faults(mapping: Mapping) -> Iterator[Fault]:
    seen: set[str] = set()
    for at, rule in enumerate(mapping.facts):
        if rule.label in seen:
            expected = "a `name` of its own, for two facts of one kind share event ids otherwise"
            yield Fault(("facts", at), f"a second {rule.label!r}", expected)
        seen.add(rule.label)


def _looped_value(mapping: Mapping) -> str | None:
    """A named value that is, at some depth, made of itself."""
    needs: dict[str, set[str]] = {}
    for path, expression in expressions(mapping):
        if path[0] != "values":
            continue
        needed = needs.setdefault(str(path[1]), set())
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
    """What type each expression gives, for a mapping whose names are all known and loop-free."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping

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
        if isinstance(expression, First | Earliest | Latest):
            given_types = {self.type_of(part) for part in parts(expression)}
            if len(given_types) > 1:
                shown = " and ".join(sorted(given_types))
                found.append(Fault(path, f"{shown} as choices", "choices of one type"))
        if isinstance(expression, Moment):
            found += self._moment_faults(path, expression)
        if isinstance(expression, Text):
            for name in expression.placeholders:
                if name.startswith("="):
                    given = self.type_of(self._mapping.values[name[1:]])
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
            case _:
                return None

    def type_of(self, expression: Expression) -> ValueType:
        """The type of what the expression gives."""
        match expression:
            case Column() | Text() | Constant() | Lookup() | Identifier():
                return ValueType.TEXT
            case Named(value=name):
                return self.type_of(self._mapping.values[name])
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


def _rule_faults(types: _Types, at: int, rule: FactRule) -> Iterator[Fault]:
    place: Place = ("facts", at)
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
