"""Families of columns to rows: price_2024, price_2025, units_2024, units_2025 become year, price and units."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from intendant.errors import LanguageError, UnknownName
from intendant.language.to_sql import column_sql
from intendant.operators.base import Operator, Relation, Scope, select_from
from intendant.operators.unpivot import alike, held
from intendant.types import Column, Step

__all__ = ["WideToLong"]

APART = "_-. "
"""What may stand between the beginning of a name and what tells the columns apart."""
ENDING = re.compile(r"(?<=[^\W_])(?:[_\-. ]+[^_\-. ]+|\d+)\Z")
"""What tells a column apart from the others of its family: the last word of its name, or the digits at its end."""
WHOLE = re.compile(r"0|[1-9]\d{0,17}")


class WideToLong(Operator):
    verb = "wide_to_long"
    form = "wide to long <families:columns> as <name:name>"
    summary = (
        "Turn columns whose names begin alike into rows: `wide to long price, units as year` makes one row of "
        "price_2024 and units_2024, and one of price_2025 and units_2025. What follows the beginning is in the new column, "
        "as a number where all are whole numbers; the other columns are repeated. A family may also be said by its columns: "
        "`wide to long price_2024, price_2025 as year`."
    )
    example = "transform sales wide to long price, units as year into sales_by_year"

    def apply(self, step: Step, relation: Relation, scope: Scope) -> Relation:
        families = self.families(beginnings_of(step.args["families"], relation.names), relation, scope)
        rests = list(dict.fromkeys(r for members in families.values() for r in members))
        turned = {c.name for members in families.values() for c in members.values()}
        kept = [n for n in relation.names if n not in turned]
        self.no_clash([*kept, step.args["name"], *families], scope)
        shown: list[exp.Expression] = [
            *(column_sql(n) for n in kept),
            unnested([said(r, rests) for r in rests], step.args["name"]),
        ]
        for beginning, members in families.items():
            among = list(members.values())
            alike(among, scope)
            cells = [held(members[r], among) if r in members else exp.Null() for r in rests]
            shown.append(unnested(cells, beginning))
        query = select_from(relation, *shown)
        return Relation(query, scope.describe(query), relation.ordered)

    def families(self, beginnings: Sequence[str], relation: Relation, scope: Scope) -> dict[str, dict[str, Column]]:
        """For each beginning its columns, by what follows it; a column belongs to the longest that fits."""
        out: dict[str, dict[str, Column]] = {b: {} for b in beginnings}
        for column in relation.columns:
            if beginning := beginning_of(column.name, beginnings):
                rest = rest_of(column.name, beginning)
                if rest in out[beginning]:
                    raise LanguageError(
                        f"{out[beginning][rest].name!r} and {column.name!r} are both {beginning!r} of {rest!r}",
                        where=scope.where,
                        hint="Rename one of them first.",
                    )
                out[beginning][rest] = column
        for beginning, members in out.items():
            if not members:
                raise UnknownName(
                    f"no column's name begins with {beginning!r} and goes on",
                    where=scope.where,
                    hint=f"There are {', '.join(relation.names[:8])}.",
                )
        return out

    def origins(self, step: Step, columns: Sequence[str], before: Sequence[str]) -> dict[str, tuple[str, ...]]:
        beginnings = beginnings_of(step.args["families"], before)
        found: dict[str, list[str]] = {b: [] for b in beginnings}
        for name in before:
            if beginning := beginning_of(name, beginnings):
                found[beginning].append(name)
        return {step.args["name"]: (), **{b: tuple(names) for b, names in found.items()}}


def beginnings_of(families: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """What the names of each family begin with; a column that is named itself stands for the family it is of."""
    folded = {c.lower() for c in columns}
    found: dict[str, str] = {}
    for f in families:
        goes_on = any(rest_of(c, f) for c in columns)
        ending = ENDING.search(f) if f.lower() in folded and not goes_on else None
        beginning = f[: ending.start()] if ending else f
        found.setdefault(beginning.lower(), beginning)
    return tuple(found.values())


def beginning_of(name: str, beginnings: Sequence[str]) -> str:
    """The longest beginning that a column's name has and goes on after; "" without one."""
    return max((b for b in beginnings if rest_of(name, b)), key=len, default="")


def rest_of(name: str, beginning: str) -> str:
    """What follows the beginning in a column's name, "" where it doesn't begin so."""
    if not name.lower().startswith(beginning.lower()):
        return ""
    rest = name[len(beginning) :]
    return rest.lstrip(APART) if rest[:1] in APART or not beginning[-1:].isalpha() or not rest[:1].isalpha() else ""


def said(rest: str, rests: Sequence[str]) -> exp.Expression:
    number = all(WHOLE.fullmatch(r) for r in rests)
    return exp.cast(exp.Literal.number(rest), "BIGINT") if number else exp.Literal.string(rest)


def unnested(cells: Sequence[exp.Expression], name: str) -> exp.Expression:
    listed = exp.Array(expressions=list(cells))
    return exp.alias_(exp.Anonymous(this="UNNEST", expressions=[listed]), name, quoted=True)
