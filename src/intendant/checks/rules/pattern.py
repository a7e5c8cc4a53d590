"""Text looks a certain way."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
from intendant.engines.base import text
from intendant.errors import TypeMismatch
from intendant.language.to_sql import column_sql, find_column
from intendant.types import Column, Rule, Step

__all__ = ["Pattern"]


class Pattern(RuleKind):
    verb = "pattern"
    form = "<column:column> matches <regex:text>"
    summary = "Every text matches the whole regular expression (RE2 syntax)."
    example = "check customers for email matches '[^@ ]+@[^@ ]+'"

    def rule(self, step: Step) -> Rule:
        return Rule("pattern", column=step.args["column"], regex=step.args["regex"])

    def step(self, rule: Rule) -> Step:
        return Step("pattern", {"column": rule.column, "regex": rule.regex})

    def broken(self, rule: Rule, columns: Sequence[Column]) -> exp.Expression:
        if fault := fault_of(str(rule.regex)):
            raise TypeMismatch(f"{rule.regex!r} is no regular expression: {fault}",
                               hint="Escape special characters; looking ahead or back isn't possible.")
        column = find_column(str(rule.column), columns)
        full = exp.Anonymous(this="REGEXP_FULL_MATCH", expressions=[exp.cast(column_sql(column.name), "TEXT"),
                                                                    exp.Literal.string(str(rule.regex))])
        return exp.Not(this=full)


@functools.lru_cache(maxsize=1024)
def fault_of(regex: str) -> str:
    """What the engine has against a regular expression, or ""."""
    import duckdb  # heavy, and the language loads every rule

    with duckdb.connect(":memory:") as con:
        try:
            con.execute(f"SELECT regexp_full_match('', {text(regex)})").fetchall()  # a parameter would import pandas
        except duckdb.Error as e:
            return str(e).partition(": ")[2].partition("\n")[0]
    return ""
