"""Change a column's type; the row of a value that doesn't fit is set aside, unless the step says that it becomes missing."""

from __future__ import annotations

import re

from sqlglot import exp

from intendant.errors import LanguageError, TypeMismatch
from intendant.language.guard import Guard, attempted, raises
from intendant.language.to_sql import TYPE_NAMES, column_sql, kind_of_type
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Column, Step

__all__ = ["Cast"]

DIRECTIVE = re.compile(r"%(-?.?)", re.DOTALL)
KNOWN = frozenset((*"aAbBcdfgGHIjmMnpSuUVwWxXyYzZ%", "-d", "-m", "-H", "-I", "-M", "-S", "-y", "-j"))
"""What may follow a % in a format: those that the engine's strptime knows."""


class Cast(Operator):
    verb = "cast"
    form = "cast <column:column> to <type:type> [written <format:text>] [(or empty):otherwise]"
    summary = (
        "Change a column's type. The row of a value that doesn't fit is set aside in quarantine; with `or empty` the value "
        "becomes missing instead. `written` says how a date stands in the text, as strptime does: '%d.%m.%Y %H:%M'."
    )
    example = "transform orders cast quantity to integer cast paid_on to date written '%d.%m.%Y' or empty"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        column = self.column(step.args["column"], relation, scope)
        value: exp.Expression = column_sql(column.name)
        lenient = bool(step.get("otherwise"))
        if step.get("format") is not None:
            value = self.read(step, column, value, scope)
        to = exp.DataType.build(TYPE_NAMES[step.args["type"]], dialect="duckdb")
        value = exp.TryCast(this=value, to=to) if lenient else exp.Cast(this=value, to=to)
        if scope.guards is not None and not lenient:
            scope.guards.append(Guard(column.name, f"is no {step.args['type']}", (column.name,), raises(value)))
            value = attempted(value)
        return self.replaced(relation, scope, {column.name: value})

    def read(self, step: Step, column: Column, value: exp.Expression, scope: Scope) -> exp.Expression:
        """The text read as the format says."""
        kind, text = step.args["type"], step.args["format"]
        if kind not in ("date", "timestamp"):
            raise LanguageError(
                f"`written` is for dates and timestamps, not for {kind}",
                where=scope.where,
                hint=f"Leave it out: `cast {column.name} to {kind}`.",
            )
        if kind_of_type(column.type) != "text":
            raise TypeMismatch(
                f"`written` needs text; {column.name!r} is {column.type}",
                where=scope.where,
                hint=f"Leave it out: `cast {column.name} to {kind}`.",
            )
        parts = DIRECTIVE.findall(text)
        wrong = next((p for p in parts if p not in KNOWN), None)
        if wrong is not None or not parts:
            said = (
                f"{'%' + wrong!r} is no part of a format" if wrong is not None else f"{text!r} is no format of a date"
            )
            raise LanguageError(said, where=scope.where, hint="Write it with %Y, %m, %d, %H, %M, %S, e.g. '%d.%m.%Y'.")
        name = "TRY_STRPTIME" if step.get("otherwise") else "STRPTIME"
        return exp.Anonymous(this=name, expressions=[value, exp.Literal.string(text)])
