"""The kinds of argument: how each is read from tokens and written back.

Values are plain JSON (text, numbers, tuples), expressions are canonical text; so a Step is the same in all renderings.
"""

from __future__ import annotations

import re
from typing import Any

from intendant.language.cursor import Cursor
from intendant.language.expression import HARD, UNITS, name_token, print_expression, read_expression, read_literal
from intendant.language.form import Kind
from intendant.language.lexer import quote_name, quote_string
from intendant.language.schedule import read_schedule
from intendant.types import SCHEMAS, split_table

__all__ = ["AGGREGATES", "TYPES", "Kinds"]

AGGREGATES = (
    *("count distinct", "count", "sum", "avg", "min", "max", "median", "stddev", "first", "last"),
    *("mode", "variance", "list"),
)
ONE_NAME = re.compile(r'"(?:[^"]|"")+"|[^\W\d]\w*')
TYPES = ("text", "integer", "number", "decimal", "boolean", "date", "timestamp", "json")


class Kinds(dict[str, Kind]):
    """All plain kinds by name; `reserved` holds the words a name must be quoted to use, filled by the grammar."""

    def __init__(self) -> None:
        super().__init__()
        self.reserved: frozenset[str] = HARD
        for name, read, write, text in (
            ("table", read_table, self.write_table, "a table: orders, staging.orders"),
            ("resource", read_resource, self.write_resource, "a source's resource: sales_api.orders"),
            ("column", lambda c: name_token(c, "a column"), self.name, "a column"),
            ("name", lambda c: name_token(c, "a name"), self.name, "a new name"),
            ("columns", lambda c: several(c, lambda: name_token(c, "a column")), self.names, "columns, by comma"),
            ("key", read_key_columns, self.write_key_columns, "a column, or several in parentheses"),
            ("int", read_int, str, "a whole number"),
            ("text", lambda c: c.take("string", "a 'text'").text, quote_string, "a 'text'"),
            ("expr", self.read_expr, str, "an expression: price * quantity"),
            ("value", self.read_value, str, "a value: 10, 'paid', date '2025-01-01'"),
            ("list", self.read_list, lambda v: f"({', '.join(v)})", "values in parentheses: ('a', 'b')"),
            ("table_column", read_table_column, self.write_table_column, "a table's column: customers.id"),
            ("type", lambda c: one_word(c, TYPES, "a type"), str, "one of " + ", ".join(TYPES)),
            ("duration", read_duration, str, "a length of time: 365 days"),
            ("when", read_schedule, str, "a schedule: daily at 02:00, every 15 minutes"),
            ("order", self.read_order, self.write_order, "columns, each with `descending` where it falls"),
            ("renames", self.read_renames, self.write_renames, "old to new, by comma"),
            ("aggregates", self.read_aggregates, self.write_aggregates, "sum price as revenue, count as orders"),
            ("layout", self.read_layout, self.write_layout, "columns, or month(column)"),
            ("match", self.read_match, self.write_match, "a = b, by `and`; or one shared column"),
            ("rate", read_rate, str, "50 requests per second, 1000 rows per minute"),
        ):
            self[name] = Kind(name, read, write, text)

    def name(self, value: str) -> str:
        return quote_name(value, self.reserved)

    def names(self, values: tuple[str, ...]) -> str:
        return ", ".join(map(self.name, values))

    def write_table(self, value: str) -> str:
        schema, rest = split_table(value)
        return self.name(rest) if schema == "main" else f"{schema}.{self.name(rest)}"

    def write_resource(self, value: str) -> str:
        source, dot, rest = value.partition(".")
        return f"{self.name(source)}.{self.name(rest)}" if dot else self.name(source)

    def write_key_columns(self, value: tuple[str, ...]) -> str:
        return self.name(value[0]) if len(value) == 1 else f"({self.names(value)})"

    def read_expr(self, c: Cursor) -> str:
        return print_expression(read_expression(c), self.reserved)

    def read_value(self, c: Cursor) -> str:
        return print_expression(read_literal(c))

    def read_list(self, c: Cursor) -> tuple[str, ...]:
        c.symbol("(")
        out = several(c, lambda: self.read_value(c))
        c.symbol(")")
        return out

    def write_table_column(self, value: tuple[str, str]) -> str:
        return f"{self.write_table(value[0])}.{self.name(value[1])}"

    def read_order(self, c: Cursor) -> tuple[tuple[str, str], ...]:
        def one() -> tuple[str, str]:
            column = name_token(c, "a column")
            if c.at_word("descending") or c.at_word("desc"):
                c.next()
                return column, "descending"
            if c.at_word("ascending") or c.at_word("asc"):
                c.next()
            return column, "ascending"

        return several(c, one)

    def write_order(self, value: tuple[tuple[str, str], ...]) -> str:
        return ", ".join(self.name(n) + (" descending" if d == "descending" else "") for n, d in value)

    def read_renames(self, c: Cursor) -> tuple[tuple[str, str], ...]:
        def one() -> tuple[str, str]:
            old = name_token(c, "a column")
            c.word("to")
            return old, name_token(c, "a new name")

        return several(c, one)

    def write_renames(self, value: tuple[tuple[str, str], ...]) -> str:
        return ", ".join(f"{self.name(a)} to {self.name(b)}" for a, b in value)

    def read_aggregates(self, c: Cursor) -> tuple[tuple[str, str, str], ...]:
        return several(c, lambda: self.read_aggregate(c))

    def read_aggregate(self, c: Cursor) -> tuple[str, str, str]:
        for function in AGGREGATES:
            if c.at_word(*function.split()) and not (function == "count" and c.peek(1).lower == "distinct"):
                break
        else:
            raise c.fail("one of " + ", ".join(AGGREGATES))
        for _ in function.split():
            c.next()
        over = ""
        if function != "count" or c.at_symbol("(") or self.starts_name(c):
            if c.at_symbol("("):
                c.next()
                over = self.read_expr(c)
                c.symbol(")")
            else:
                over = self.name(name_token(c, "a column or (expression)"))
        alias = ""
        if c.at_word("as"):
            c.next()
            alias = name_token(c, "a new name")
        return function, over, alias

    def starts_name(self, c: Cursor) -> bool:
        return c.token.kind == "name" or (c.token.kind == "word" and c.token.lower not in self.reserved)

    def write_aggregates(self, value: tuple[tuple[str, str, str], ...]) -> str:
        def one(function: str, over: str, alias: str) -> str:
            simple = ONE_NAME.fullmatch(over) and over.lower() not in HARD
            shown = f" {over}" if simple else f" ({over})" if over else ""
            return f"{function}{shown}" + (f" as {self.name(alias)}" if alias else "")

        return ", ".join(one(*a) for a in value)

    def read_layout(self, c: Cursor) -> tuple[str, ...]:
        def one() -> str:
            if c.token.lower in ("year", "month", "day", "hour") and c.peek(1).text == "(":
                unit = c.next().lower
                c.symbol("(")
                column = name_token(c, "a column")
                c.symbol(")")
                return f"{unit}({self.name(column)})"
            return self.name(name_token(c, "a column"))

        return several(c, one)

    def write_layout(self, value: tuple[str, ...]) -> str:
        return ", ".join(value)

    def read_match(self, c: Cursor) -> tuple[tuple[str, str], ...]:
        out = []
        while True:
            left = name_token(c, "a column")
            right = left
            if c.at_symbol("="):
                c.next()
                right = name_token(c, "a column of the other table")
            out.append((left, right))
            if not c.at_word("and"):
                return tuple(out)
            c.next()

    def write_match(self, value: tuple[tuple[str, str], ...]) -> str:
        return " and ".join(self.name(a) if a == b else f"{self.name(a)} = {self.name(b)}" for a, b in value)


def several(c: Cursor, one: Any) -> tuple[Any, ...]:
    out = [one()]
    while c.at_symbol(","):
        mark = c.pos
        c.next()
        try:
            out.append(one())
        except Exception:
            c.pos = mark
            raise
    return tuple(out)


def one_word(c: Cursor, words: tuple[str, ...], label: str) -> str:
    if c.token.lower not in words:
        raise c.fail(f"{label} ({', '.join(words)})")
    return c.next().lower


def read_table(c: Cursor) -> str:
    if c.token.lower in SCHEMAS and c.peek(1).text == "." and c.peek(1).kind == "symbol":
        schema = c.next().lower
        c.symbol(".")
        return f"{schema}.{name_token(c, 'a table')}"
    return name_token(c, "a table")


def read_table_column(c: Cursor) -> tuple[str, str]:
    table = read_table(c)
    c.symbol(".")
    return table, name_token(c, "a column")


def read_resource(c: Cursor) -> str:
    source = name_token(c, "a source")
    if c.at_symbol("."):
        c.next()
        return f"{source}.{name_token(c, 'a resource')}"
    return source


def read_key_columns(c: Cursor) -> tuple[str, ...]:
    if not c.at_symbol("("):
        return (name_token(c, "a column"),)
    c.next()
    out = several(c, lambda: name_token(c, "a column"))
    c.symbol(")")
    return out


def read_int(c: Cursor) -> int:
    token = c.token
    if token.kind != "number" or not token.text.isdigit() or len(token.text) > 18:
        raise c.fail("a whole number")
    return int(c.next().text)


def read_duration(c: Cursor) -> str:
    n = read_int(c)
    unit = c.token.lower.rstrip("s")
    if unit not in UNITS:
        raise c.fail("a unit (seconds, minutes, hours, days, weeks, months, years)")
    c.next()
    return f"{n} {unit}{'' if n == 1 else 's'}"


def read_rate(c: Cursor) -> str:
    n = read_int(c)
    what = one_word(c, ("requests", "rows"), "what is counted")
    c.word("per")
    each = read_int(c) if c.token.kind == "number" else 1
    unit = c.token.lower.rstrip("s")
    if unit not in ("second", "minute", "hour", "day"):
        raise c.fail("second, minute, hour or day")
    c.next()
    return f"{n} {what} per {unit}" if each == 1 else f"{n} {what} per {each} {unit}s"
