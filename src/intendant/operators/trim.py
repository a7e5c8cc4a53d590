"""Clean text: blanks around it, its case."""

from __future__ import annotations

from sqlglot import exp

from intendant.errors import TypeMismatch
from intendant.language.to_sql import column_sql, kind_of_type
from intendant.operators.base import Operator, Relation, Scope
from intendant.types import Step

__all__ = ["Trim"]

PIECES = r"[^\s\p{Z}-]+|[\s\p{Z}-]+"
"""Words, and what stands between them."""


class Trim(Operator):
    verb = "trim"
    form = "(trim|upper|lower|title):how <columns:columns>"
    summary = "`trim` removes blanks around the text of these columns, `upper`, `lower` and `title` change its case."
    example = "transform customers trim email lower email title city"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        changes = {}
        for name in step.args["columns"]:
            column = self.column(name, relation, scope)
            if kind_of_type(column.type) != "text":
                raise TypeMismatch(
                    f"`{step.args['how']}` needs text; {column.name!r} is {column.type}",
                    where=scope.where,
                    hint=f"Cast it first: `cast {column.name} to text`.",
                )
            changes[column.name] = cleaned(step.args["how"], column_sql(column.name))
        return self.replaced(relation, scope, changes)


def cleaned(how: str, text: exp.Expression) -> exp.Expression:
    return titled(text) if how == "title" else exp.func(how.upper(), text, dialect="duckdb")


def titled(text: exp.Expression) -> exp.Expression:
    """Every word with a capital, the rest small; words end at blanks and hyphens: Anne-Marie O'neil."""
    pieces = exp.func("REGEXP_EXTRACT_ALL", exp.func("LOWER", text), exp.Literal.string(PIECES), dialect="duckdb")
    word = exp.to_identifier("w")
    first = exp.func("UPPER", exp.func("LEFT", word.copy(), exp.Literal.number(1), dialect="duckdb"))
    rest = exp.func("SUBSTRING", word.copy(), exp.Literal.number(2), dialect="duckdb")
    capital = exp.Lambda(this=exp.DPipe(this=first, expression=rest), expressions=[word])
    changed = exp.Transform(this=pieces, expression=capital)
    return exp.func("ARRAY_TO_STRING", changed, exp.Literal.string(""), dialect="duckdb")
