"""DuckDB's SQL in Spark's dialect, so that the rows are equal: each node that means something else there has a rule.

What a rule needs to know of types DuckDB says itself, over empty tables of the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark

from intendant.engines.base import Tables, quoted, text
from intendant.engines.spark_formats import formatted, parsed, regex, replacement
from intendant.engines.spark_shapes import (
    AGGREGATES,
    MADE,
    aggregated,
    filtered,
    ordered,
    over,
    selected,
    sources,
    table,
)
from intendant.engines.spark_types import as_literal, cast, is_floating, is_integer, spark_type, ticked, to_text
from intendant.errors import EngineError
from intendant.types import SCHEMAS, Column, split_table

__all__ = ["Printer", "Typer", "translated_sql"]

Rule: TypeAlias = Callable[["Printer", exp.Expression], str]


class Typer:
    """Types of expressions where they stand, as DuckDB infers them; `con` must have an empty catalogue."""

    def __init__(self, con: duckdb.DuckDBPyConnection, tables: Tables) -> None:
        self.con = con
        self._sources: dict[int, str] = {}
        self._known: dict[tuple[int, str], str] = {}
        for schema in SCHEMAS:
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for full, snapshot in tables.items():
            schema, name = split_table(full)
            con.execute(f"CREATE TABLE {schema}.{quoted(name)} ({_fields(snapshot.columns)})")

    def columns(self, sql: str) -> tuple[Column, ...]:
        """The columns of a query. Raises duckdb.Error."""
        return tuple(Column(r[0], r[1]) for r in self.con.execute(f"DESCRIBE {sql}").fetchall())

    def of(self, node: exp.Expression) -> str:
        """The DuckDB type, "" where it can't be known (of a lambda's variable)."""
        select = node.parent_select
        if not isinstance(select, exp.Select):
            return ""
        key = (id(select), node.sql("duckdb"))
        if key not in self._known:
            self._known[key] = self._asked(key[1], self._source(select))
        return self._known[key]

    def _asked(self, sql: str, source: str) -> str:
        for group in ("", " GROUP BY ALL"):
            try:
                return self.columns(f"SELECT {sql} AS value {source}{group}")[0].type
            except duckdb.Error:
                continue
        return ""

    def _source(self, select: exp.Select) -> str:
        if id(select) not in self._sources:
            items = [self._item(s) for s in sources(select)]
            self._sources[id(select)] = f"FROM {', '.join(items)}" if items else ""
        return self._sources[id(select)]

    def _item(self, source: exp.Expression) -> str:
        """A table, or an empty one that stands for a subquery."""
        if isinstance(source, exp.Table):
            return str(source.sql("duckdb"))
        name = f"{MADE}{len(self._sources)}_{len(self._known)}_{id(source)}"
        self.con.execute(f"CREATE TEMP TABLE {name} ({_fields(self.columns(source.this.sql('duckdb')))})")
        return f"{name} AS {quoted(source.alias)}" if source.alias else name


def _fields(columns: Iterable[Column]) -> str:
    return ", ".join(f"{quoted(c.name)} {c.type if c.type != quoted('NULL') else 'INTEGER'}" for c in columns)


def translated_sql(sql: str, types: Typer, views: Mapping[str, str], *, wide: bool = False) -> str:
    """A query of DuckDB's in Spark SQL; `views` says which view stands for a table.

    Sums of whole numbers are BIGINT, and an overflow is an error; with `wide` they are DECIMAL(38,0), and slower.
    """
    try:
        return Printer(types, views, wide=wide).sql(sqlglot.parse_one(sql, read="duckdb"))
    except RecursionError:
        raise EngineError("the step is nested too deeply for Spark", hint="Split it into two.") from None
    except sqlglot.errors.UnsupportedError as e:
        raise EngineError(f"Spark can't do this: {e}", hint='Set kind = "duckdb" in [engine] for this pipeline.') from None


class Printer(Spark.Generator):  # type: ignore[misc]
    """Prints a tree of DuckDB's dialect for Spark."""

    def __init__(self, types: Typer, views: Mapping[str, str], *, wide: bool = False) -> None:
        super().__init__(dialect="spark", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
        self.types, self.views, self.wide = types, views, wide

    def sql(self, expression: exp.Expression | str | None, key: str | None = None, comment: bool = True) -> str:
        if isinstance(expression, exp.Expression) and key is None:
            rule = RULES.get(type(expression))
            if rule is not None:
                return rule(self, expression)
        return str(super().sql(expression, key, comment))

    def typed(self, node: exp.Expression, target: str) -> str:
        """The node as a value of `target`, where it is of another type."""
        source = self.types.of(node)
        same = not source or spark_type(source) in ("VOID", spark_type(target)) or not target
        return self.sql(node) if same else cast(f"({self.sql(node)})", source, target)

    def double(self, node: exp.Expression) -> str:
        return self.sql(node) if is_floating(self.types.of(node)) else f"CAST({self.sql(node)} AS DOUBLE)"

    def text(self, node: exp.Expression) -> str:
        kind = self.types.of(node)
        return (
            to_text(f"({self.sql(node)})", kind)
            if kind and spark_type(kind) not in ("VOID", "STRING")
            else self.sql(node)
        )

    def list(self, nodes: Iterable[exp.Expression]) -> str:
        return ", ".join(self.sql(n) for n in nodes)


# ---------------------------------------------------------------- numbers
def whole(node: exp.Expression | None, least: int = 0) -> bool:
    """Whether it is a number as written, at least so much."""
    return isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit() and int(node.this) >= least


def nonzero(node: exp.Expression) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and float(node.this) != 0


def divided(p: Printer, node: exp.Expression) -> str:
    """Always a floating number; by zero it is infinite or not a number, where Spark stops."""
    a, b = p.double(node.this), p.double(node.expression)
    if nonzero(node.expression):
        return f"{a} / {b}"
    sign = f"CASE WHEN ({a} > 0) = (NOT STARTSWITH(CAST({b} AS STRING), '-')) THEN DOUBLE('Infinity') ELSE DOUBLE('-Infinity') END"
    zero = f"CASE WHEN {a} IS NULL THEN NULL WHEN {a} = 0 OR ISNAN({a}) THEN DOUBLE('NaN') ELSE {sign} END"
    return f"CASE WHEN {b} = 0 THEN {zero} ELSE {a} / {b} END"


def remainder(p: Printer, node: exp.Expression) -> str:
    a, b = p.sql(node.this), p.sql(node.expression)
    if nonzero(node.expression):
        return f"{a} % {b}"
    if is_floating(p.types.of(node)):
        return f"CASE WHEN {b} = 0 THEN CASE WHEN {a} IS NOT NULL THEN DOUBLE('NaN') END ELSE {a} % {b} END"
    return f"{a} % NULLIF({b}, 0)"


def rounded(p: Printer, node: exp.Expression) -> str:
    """Halves away from zero, of a floating number after its product with a power of ten, as DuckDB has it."""
    value, digits = p.sql(node.this), node.args.get("decimals")
    if not is_floating(p.types.of(node.this)):
        return f"ROUND({value}, {p.sql(digits) if digits else 0})"
    power = f"1e{digits.this}" if whole(digits) else f"POWER(10e0, {p.sql(digits)})"
    got = f"ROUND({value})" if digits is None else f"(ROUND(({value}) * {power}) / {power})"
    if isinstance(digits, exp.Neg) and whole(digits.this):
        got = f"(ROUND(({value}) / 1e{digits.this.this}) * 1e{digits.this.this})"
        return f"CASE WHEN {got} = 0 THEN DOUBLE('-0.0') ELSE {got} END"  # as DuckDB has it
    return signed(value, got)


def signed(value: str, got: str) -> str:
    """A zero made of something negative is -0.0."""
    return f"CASE WHEN {got} = 0 AND STARTSWITH(CAST({value} AS STRING), '-') THEN DOUBLE('-0.0') ELSE {got} END"


def to_whole(name: str) -> Rule:
    def rule(p: Printer, node: exp.Expression) -> str:
        value, kind = p.sql(node.this), p.types.of(node.this)
        if is_integer(kind):
            return f"CAST({value} AS DOUBLE)"
        if kind.startswith("DECIMAL"):
            return f"{name}({value})"
        got = signed(value, f"CAST({name}({value}) AS DOUBLE)")
        return f"CASE WHEN ABS({value}) < 4503599627370496e0 THEN {got} ELSE {value} END"

    return rule


def guarded(name: str, tests: Iterable[tuple[str, str]]) -> Rule:
    """A function that is an error outside of its domain, where Spark gives NULL or NaN."""

    def rule(p: Printer, node: exp.Expression) -> str:
        value = p.double(node.expression if isinstance(node, exp.Log) else node.this)
        stops = " ".join(
            f"WHEN {value} {test} THEN RAISE_ERROR({as_literal('cannot take ' + said)})" for test, said in tests
        )
        return f"CASE {stops} ELSE {name}({value}) END"

    return rule


LOGARITHM = (("= 0", "logarithm of zero"), ("< 0", "logarithm of a negative number"))


def base_ten(p: Printer, node: exp.Expression) -> str:
    if node.expression is None or node.this.sql() != "10":
        raise EngineError("Spark is only asked for logarithms to base 10", hint="Divide two of `ln`.")
    return guarded("LOG10", LOGARITHM)(p, node)


# ---------------------------------------------------------------- text
def concatenated(p: Printer, node: exp.Expression) -> str:
    return f"CONCAT_WS('', {', '.join(p.text(e) for e in node.expressions)})"


def joined(p: Printer, node: exp.Expression) -> str:
    return f"{p.text(node.this)} || {p.text(node.expression)}"


def lower(p: Printer, node: exp.Expression) -> str:
    """Letter by letter: Java would give Σ another form at the end of a word, and İ two letters."""
    return f"LOWER(REPLACE(REPLACE({p.sql(node.this)}, 'Σ', 'σ'), 'İ', 'i'))"


def upper(p: Printer, node: exp.Expression) -> str:
    """Letter by letter where Java would make several letters of one, as SS of ß."""
    letters, capitals = (as_literal(t) for t in lone_capitals())
    value, one = p.sql(node.this), ticked(f"{MADE}letter")
    each = f"CASE WHEN CONTAINS({letters}, {one}) THEN TRANSLATE({one}, {letters}, {capitals}) ELSE UPPER({one}) END"
    spelt = f"ARRAY_JOIN(TRANSFORM(SPLIT({value}, ''), {one} -> {each}), '')"
    return f"CASE WHEN {value} RLIKE CONCAT('[', {letters}, ']') THEN {spelt} ELSE UPPER({value}) END"


@lru_cache(maxsize=1)
def lone_capitals() -> tuple[str, str]:
    """The letters that have several capitals in Unicode, and the one that DuckDB makes of each."""
    letters = "".join(c for c in map(chr, range(0x20000)) if len(c.upper()) > 1)
    with duckdb.connect(":memory:") as con:
        return letters, str(con.execute(f"SELECT upper({text(letters)})").fetchall()[0][0])


def trimmed(p: Printer, node: exp.Expression) -> str:
    """Without spaces of any width around it, but with tabs and line ends."""
    return rf"REGEXP_REPLACE({p.sql(node.this)}, '^\\p{{Zs}}+|\\p{{Zs}}+\\z', '')"


def size(p: Printer, node: exp.Expression) -> str:
    return f"{'SIZE' if p.types.of(node.this).endswith(']') else 'LENGTH'}({p.sql(node.this)})"


def left(p: Printer, node: exp.Expression) -> str:
    s, n = p.sql(node.this), p.sql(node.expression)
    if whole(node.expression):
        return f"LEFT({s}, {n})"
    return f"CASE WHEN {n} >= 0 THEN LEFT({s}, CAST({n} AS INT)) ELSE LEFT({s}, CAST(GREATEST(LENGTH({s}) + {n}, 0) AS INT)) END"


def right(p: Printer, node: exp.Expression) -> str:
    s, n = p.sql(node.this), p.sql(node.expression)
    if whole(node.expression):
        return f"RIGHT({s}, {n})"
    return f"CASE WHEN {n} >= 0 THEN RIGHT({s}, CAST({n} AS INT)) ELSE SUBSTRING({s}, CAST(1 - ({n}) AS INT)) END"


def substring(p: Printer, node: exp.Expression) -> str:
    """A start below 1 counts from the end or lies before the text, a count below 0 goes backwards."""
    s, start, count = p.sql(node.this), node.args["start"], node.args.get("length")
    if whole(start, 1) and (count is None or whole(count)):
        return f"SUBSTRING({s}, {p.sql(start)}{f', {p.sql(count)}' if count is not None else ''})"
    first = p.sql(start)
    begin = f"(CASE WHEN {first} < 0 THEN LENGTH({s}) + {first} + 1 ELSE {first} END)"
    end = f"({begin} + {p.sql(count)})" if count is not None else f"(LENGTH({s}) + 1)"
    low, high = (f"LEAST({begin}, {end})", f"GREATEST({begin}, {end})") if count is not None else (begin, end)
    low = f"GREATEST({low}, 1)"
    return f"SUBSTRING({s}, CAST({low} AS INT), CAST(GREATEST({high} - {low}, 0) AS INT))"


def split_part(p: Printer, node: exp.Expression) -> str:
    s, sep, n = p.sql(node.this), p.sql(node.args["delimiter"]), p.sql(node.args["part_index"])
    if sep == "''":
        raise EngineError("Spark can't split a text by nothing", hint="Say a separator.")
    got = f"SPLIT_PART({s}, {sep}, CAST({n} AS INT))"
    return got if whole(node.args["part_index"], 1) else f"CASE WHEN {n} = 0 THEN LEFT({s}, 0) ELSE {got} END"


def padded(p: Printer, node: exp.Expression) -> str:
    s, n, fill = p.sql(node.this), p.sql(node.expression), p.sql(node.args["fill_pattern"])
    stop = "RAISE_ERROR('Insufficient padding in LPAD.')"
    got = f"LPAD({s}, CAST({n} AS INT), {fill})"
    return got if fill != "''" else f"CASE WHEN LENGTH({s}) < {n} THEN {stop} ELSE {got} END"


def pattern(p: Printer, node: exp.Expression) -> str:
    return as_literal(regex(node.this)) if isinstance(node, exp.Literal) else f"'(?du)' || {p.sql(node)}"


def matched(p: Printer, node: exp.Expression) -> str:
    """The whole text fits the pattern."""
    if not isinstance(node.expression, exp.Literal):
        raise EngineError("Spark needs a pattern as a text", hint="Write it in the step.")
    return f"({p.sql(node.this)} RLIKE {as_literal(regex(f'^(?:{node.expression.this})$'))})"


def extracted(p: Printer, node: exp.Expression) -> str:
    name = "REGEXP_EXTRACT_ALL" if isinstance(node, exp.RegexpExtractAll) else "REGEXP_EXTRACT"
    group = node.args.get("group")
    return f"{name}({p.sql(node.this)}, {pattern(p, node.expression)}, {p.sql(group) if group else 0})"


def substituted(p: Printer, node: exp.Expression) -> str:
    if "g" not in str(node.args.get("modifiers") or ""):
        raise EngineError("Spark replaces every match", hint="Use regexp_replace on all of them.")
    new = node.args["replacement"]
    to = as_literal(replacement(new.this)) if isinstance(new, exp.Literal) else (
        rf"REGEXP_REPLACE(REPLACE({p.sql(new)}, '$', '\\$'), '\\\\([0-9])', '\\$$1')")  # fmt: skip
    return f"REGEXP_REPLACE({p.sql(node.this)}, {pattern(p, node.expression)}, {to})"


def like(p: Printer, node: exp.Expression) -> str:
    """Without an escape: a backslash is itself."""
    return rf"{p.sql(node.this)} LIKE REPLACE({p.sql(node.expression)}, '\\', '\\\\')"


def literal(p: Printer, node: exp.Expression) -> str:
    return as_literal(node.this) if node.is_string else str(node.this)


# ---------------------------------------------------------------- times
def moment_of(p: Printer, node: exp.Expression) -> str:
    """A time to which hours can be added: a day is its midnight."""
    value = p.sql(node)
    return f"CAST({value} AS TIMESTAMP_NTZ)" if p.types.of(node) == "DATE" else value


def added(sign: str) -> Rule:
    def rule(p: Printer, node: exp.Expression) -> str:
        a, b = p.types.of(node.this), p.types.of(node.expression)
        if a == "DATE" and is_integer(b):
            return f"DATE_ADD({p.sql(node.this)}, CAST({sign}({p.sql(node.expression)}) AS INT))"
        if a == b == "DATE":
            return f"CAST(DATEDIFF({p.sql(node.this)}, {p.sql(node.expression)}) AS BIGINT)"
        if "INTERVAL" in (a, b) or {a, b} == {"DATE", "TIMESTAMP"}:
            return f"{moment_of(p, node.this)} {sign} {moment_of(p, node.expression)}"
        return f"{p.sql(node.this)} {sign} {p.sql(node.expression)}"

    return rule


def days_added(p: Printer, node: exp.Expression) -> str:
    days = node.expression
    if not isinstance(days, exp.ToDays):
        raise EngineError("Spark only adds days here", hint="Use `add_days`, or add an interval.")
    return f"({moment_of(p, node.this)} + MAKE_DT_INTERVAL({p.sql(days.this)}))"


def interval(p: Printer, node: exp.Expression) -> str:
    return f"INTERVAL '{node.this.name}' {str(node.args['unit'].name).upper().rstrip('S')}"


def begun(p: Printer, node: exp.Expression) -> str:
    unit = as_literal(str(node.args["unit"].name).upper())
    return f"CAST(DATE_TRUNC({unit}, {p.sql(node.this)}) AS {spark_type(p.types.of(node) or 'TIMESTAMP')})"


def epoch(p: Printer, node: exp.Expression) -> str:
    return f"(CAST(UNIX_MICROS(CAST({p.sql(node.this)} AS TIMESTAMP_LTZ)) AS DOUBLE) / 1000000e0)"


def between(p: Printer, node: exp.Expression) -> str:
    """How many seconds begin between two moments; other units are told as sqlglot tells them."""
    if str(node.args.get("unit") or "DAY").upper() != "SECOND":
        return str(p.datediff_sql(node))
    start, end = (f"CAST({p.sql(n)} AS TIMESTAMP_LTZ)" for n in (node.expression, node.this))
    return f"(UNIX_SECONDS({end}) - UNIX_SECONDS({start}))"


def both(p: Printer, node: exp.Expression) -> str:
    """`x IS NOT NULL AND x NOT IN (query without NULL)` is an anti join; else Spark would keep the whole query in memory."""
    known = node.expression.this if isinstance(node.expression, exp.Not) else None
    value = node.this.this.this if isinstance(node.this, exp.Not) and isinstance(node.this.this, exp.Is) else None
    if not isinstance(known, exp.In) or known.args.get("query") is None or known.this != value:
        return str(p.and_sql(node))
    there = ticked(f"{MADE}known")
    inner = f"SELECT 1 FROM ({p.sql(known.args['query'].unnest())}) AS {ticked(MADE)}({there}) WHERE {there} = {p.sql(value)}"
    return f"{p.sql(node.this)} AND NOT EXISTS ({inner})"


def written(p: Printer, node: exp.Expression) -> str:
    if not isinstance(node.args["format"], exp.Literal):
        raise EngineError("Spark needs a format as a text", hint="Write it in the step, e.g. '%Y-%m'.")
    return formatted(p.sql(node.this), node.args["format"].this)


def read(p: Printer, node: exp.Expression) -> str:
    return parsed(p.sql(node.this), node.args["format"].this, lenient=False)


# ---------------------------------------------------------------- values of one type
def casted(p: Printer, node: exp.Expression) -> str:
    source, target = p.types.of(node.this), p.types.of(node) or node.args["to"].sql("duckdb")
    return cast(p.sql(node.this), source, target, lenient=isinstance(node, exp.TryCast))


def case(p: Printer, node: exp.Expression) -> str:
    target, default = p.types.of(node), node.args.get("default")
    whens = " ".join(f"WHEN {p.sql(i.this)} THEN {p.typed(i.args['true'], target)}" for i in node.args["ifs"])
    return f"CASE {whens}{f' ELSE {p.typed(default, target)}' if default is not None else ''} END"


def choice(p: Printer, node: exp.Expression) -> str:
    target, no = p.types.of(node), node.args.get("false")
    no_sql = p.typed(no, target) if no is not None else "NULL"
    return f"CASE WHEN {p.sql(node.this)} THEN {p.typed(node.args['true'], target)} ELSE {no_sql} END"


def first_of(name: str) -> Rule:
    def rule(p: Printer, node: exp.Expression) -> str:
        target, args = p.types.of(node), [node.this, *node.expressions]
        return f"{name}({', '.join(p.typed(a, target) for a in args)})" if len(args) > 1 else p.typed(args[0], target)

    return rule


def array(p: Printer, node: exp.Expression) -> str:
    kind = p.types.of(node)
    inner = kind[: kind.rindex("[")] if kind.endswith("]") else ""
    return f"ARRAY({', '.join(p.typed(e, inner) for e in node.expressions)})"


def contained(p: Printer, node: exp.Expression) -> str:
    """False where only missing elements are left to compare with; Spark says NULL."""
    items, value = p.sql(node.this), p.sql(node.expression)
    return f"CASE WHEN {items} IS NOT NULL AND {value} IS NOT NULL THEN COALESCE(ARRAY_CONTAINS({items}, {value}), FALSE) END"


def named(p: Printer, node: exp.Expression) -> str:
    rule = FUNCTIONS.get(str(node.this).upper())
    if rule is None:
        raise EngineError(f"Spark has no {node.this!r} here", hint='Set kind = "duckdb" in [engine] for this pipeline.')
    return rule(p, *node.expressions)


def element(p: Printer, items: exp.Expression, place: exp.Expression) -> str:
    at = p.sql(place)
    if p.types.of(items) in ("VARCHAR", "JSON"):
        return f"CASE WHEN {at} = 0 THEN '' ELSE SUBSTRING({p.sql(items)}, CAST({at} AS INT), 1) END"
    got = f"TRY_ELEMENT_AT({p.sql(items)}, CAST({at} AS INT))"
    return got if whole(place, 1) else f"CASE WHEN {at} <> 0 THEN {got} END"


FUNCTIONS: dict[str, Callable[..., str]] = {
    "LIST_EXTRACT": element,
    "LIST_POSITION": lambda p, items, value: f"ARRAY_POSITION({p.sql(items)}, {p.sql(value)})",
    "HASH": lambda p, *values: f"XXHASH64({p.list(values)})",
    "ERROR": lambda p, said: f"RAISE_ERROR({p.sql(said)})",
    "TRY_STRPTIME": lambda p, value, form: parsed(p.sql(value), form.this, lenient=True),
    "STRPTIME": lambda p, value, form: parsed(p.sql(value), form.this, lenient=False),
}
"""Functions that sqlglot has no node for."""

RULES: dict[type, Rule] = {
    exp.Div: divided, exp.Mod: remainder, exp.Round: rounded, exp.Floor: to_whole("FLOOR"), exp.Ceil: to_whole("CEIL"),
    exp.Sqrt: guarded("SQRT", (("< 0", "square root of a negative number"),)), exp.Ln: guarded("LN", LOGARITHM),
    exp.Log: base_ten, exp.Pow: lambda p, n: f"POWER({p.double(n.this)}, {p.double(n.expression)})",
    exp.Exp: lambda p, n: f"EXP({p.double(n.this)})", exp.Sign: lambda p, n: f"CAST(SIGN({p.sql(n.this)}) AS TINYINT)",
    exp.Concat: concatenated, exp.DPipe: joined, exp.Lower: lower, exp.Upper: upper, exp.Trim: trimmed,
    exp.Length: size, exp.ArraySize: size, exp.Left: left, exp.Right: right, exp.Substring: substring,
    exp.SplitPart: split_part, exp.Pad: padded, exp.RegexpExtract: extracted, exp.RegexpExtractAll: extracted,
    exp.RegexpReplace: substituted, exp.Like: like, exp.Literal: literal,
    exp.RegexpLike: lambda p, n: f"({p.sql(n.this)} RLIKE {pattern(p, n.expression)})",
    exp.Split: lambda p, n: rf"SPLIT({p.sql(n.this)}, '\\Q' || {p.sql(n.expression)} || '\\E')",
    exp.Week: lambda p, n: f"WEEKOFYEAR({p.sql(n.this)})", exp.WeekOfYear: lambda p, n: f"WEEKOFYEAR({p.sql(n.this)})",
    exp.DayOfWeekIso: lambda p, n: f"(WEEKDAY({p.sql(n.this)}) + 1)",
    exp.Dayname: lambda p, n: f"DATE_FORMAT({p.sql(n.this)}, 'EEEE')",
    exp.Monthname: lambda p, n: f"DATE_FORMAT({p.sql(n.this)}, 'MMMM')",
    exp.TimestampTrunc: begun, exp.DateTrunc: begun, exp.TimeToUnix: epoch, exp.TimeToStr: written, exp.StrToTime: read,
    exp.Add: added("+"), exp.Sub: added("-"), exp.DateAdd: days_added, exp.Interval: interval,
    exp.Cast: casted, exp.TryCast: casted, exp.Case: case, exp.If: choice, exp.Coalesce: first_of("COALESCE"),
    exp.Greatest: first_of("GREATEST"), exp.Least: first_of("LEAST"), exp.Array: array, exp.ArrayContains: contained,
    exp.Nullif: lambda p, n: f"NULLIF({p.sql(n.this)}, {p.sql(n.expression)})",
    exp.And: both, exp.DateDiff: between, exp.RegexpFullMatch: matched,
    exp.Anonymous: named, exp.Select: selected, exp.Table: table, exp.Window: over, exp.Filter: filtered,
    exp.Ordered: ordered, **dict.fromkeys(AGGREGATES, aggregated),
}  # fmt: skip
"""What is said otherwise; every other node is printed as sqlglot prints it for Spark."""
