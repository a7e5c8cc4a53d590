"""Text looks a certain way."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from intendant.checks.rules.base import RuleKind
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
        try:
            re.compile(str(rule.regex))
        except re.error as e:
            raise TypeMismatch(f"{rule.regex!r} is no regular expression: {e}", hint="Escape special characters.") from None
        column = find_column(str(rule.column), columns)
        full = exp.Anonymous(this="REGEXP_FULL_MATCH", expressions=[exp.cast(column_sql(column.name), "TEXT"),
                                                                    exp.Literal.string(str(rule.regex))])
        return exp.Not(this=full)
