"""Parentheses mean the same in SQL as in the language: expressions give in DuckDB what they say."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import duckdb
import pytest

from intendant.language.expression import parse_expression
from intendant.language.to_sql import Compiler
from intendant.types import Column

COLUMNS = (Column("a", "BOOLEAN"), Column("b", "BOOLEAN"), Column("c", "BOOLEAN"))
Row = Callable[[bool, bool, bool], bool]


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("(a or b) and c", lambda a, b, c: (a or b) and c),
        ("a or b and c", lambda a, b, c: a or (b and c)),
        ("a = (b and c)", lambda a, b, c: a == (b and c)),
        ("(a or b) = c", lambda a, b, c: (a or b) == c),
        ("a = (b or c)", lambda a, b, c: a == (b or c)),
        ("a != (b or c)", lambda a, b, c: a != (b or c)),
        ("not (a and b) = c", lambda a, b, c: (a and b) != c),
        ("(a or b) in (c)", lambda a, b, c: (a or b) == c),
        ("(a and b) is null", lambda a, b, c: False),
        ("(a = b) = c", lambda a, b, c: (a == b) == c),
        ("not (a or b) or c", lambda a, b, c: (not (a or b)) or c),
    ],
)
def test_and_and_or_stay_together_inside_comparisons(text: str, means: Row) -> None:
    sql = Compiler(COLUMNS).sql(parse_expression(text)).sql("duckdb")
    for a, b, c in itertools.product((True, False), repeat=3):
        found = duckdb.sql(f"SELECT {sql} FROM (SELECT {a} AS a, {b} AS b, {c} AS c)").fetchall()[0][0]
        assert found is means(a, b, c), (sql, a, b, c)
