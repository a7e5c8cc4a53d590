"""Declared rules against a table: one finding per broken rule, all rules about single rows counted in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intendant.checks import mend, rules
from intendant.checks.rules.base import RuleKind
from intendant.checks.split import bad_rows_sql, has_window
from intendant.checks.subject import shown
from intendant.engines.base import quoted, text
from intendant.engines.duckdb import DuckDB
from intendant.errors import EngineError, TypeMismatch, UnknownName, did_you_mean
from intendant.language.to_sql import find_column, kind_of_type
from intendant.operators.base import table_sql
from intendant.types import Finding, Json, Rule, Severity, Snapshot

__all__ = ["audit"]

EXAMPLES = 3


def audit(engine: DuckDB, table: str, snapshot: Snapshot, declared: Sequence[Rule],
          others: Mapping[str, Snapshot] | None = None) -> list[Finding]:
    """One Finding per broken rule, in the order of `declared`.

    `snapshot` is attached as `table` and may be staged; `others` are the tables that foreign keys name. `where` of a
    finding selects its bad rows (use `split_sql`: it may hold a window function); "" for rules about the whole table.
    Raises UnknownName or TypeMismatch for a rule that doesn't fit, before anything runs.
    """
    kinds = rules.kinds()
    tables = {**(others or {}), table: snapshot}
    asked = []
    for rule in declared:
        if rule.type not in kinds:
            raise UnknownName(f"there is no rule {rule.type!r}", where=table,
                              hint=did_you_mean(rule.type, kinds, "rule"))
        check_reference(rule, kinds[rule.type], snapshot, table, tables)
        asked.append(question(rule, kinds[rule.type], snapshot))
    if not asked:
        return []
    aggregates = ", ".join(f"{a.tally}, {a.examples or 'NULL'}" for a in asked)
    total, *found = one_row(engine, f"SELECT count(*), {aggregates} FROM {table_sql(table).sql('duckdb')}", tables)
    return [finding(engine, table, tables, a, int(rows or 0), int(total), examples or ())
            for a, rows, examples in zip(asked, found[::2], found[1::2], strict=True) if rows]


@dataclass(frozen=True)
class Question:
    """A rule as SQL: the predicate of its bad rows, the aggregate that counts them, and the one that shows some.

    `examples` is "" where none are shown, and where the predicate holds a window, which no aggregate takes.
    """

    rule: Rule
    names: tuple[str, ...]
    predicate: str
    tally: str
    examples: str


def question(rule: Rule, kind: RuleKind, snapshot: Snapshot) -> Question:
    predicate = kind.broken(rule, snapshot.columns).sql("duckdb")
    tally = kind.tally(rule, snapshot.columns).sql("duckdb")
    wanted = kind.shows(rule, snapshot.columns) if kind.per_row and rule.type != "not_null" else ()
    names = tuple(c.name for c in snapshot.columns if c.name in wanted)
    one = quoted(names[0]) if len(names) == 1 else "{" + ", ".join(f"{text(n)}: {quoted(n)}" for n in names) + "}"
    some = f"min(DISTINCT {one}, {EXAMPLES}) FILTER (WHERE {predicate})"
    return Question(rule, names, predicate, tally, some if names and not has_window(predicate) else "")


def check_reference(rule: Rule, kind: RuleKind, snapshot: Snapshot, table: str,
                    tables: Mapping[str, Snapshot]) -> None:
    for name in kind.reads(rule):
        if name not in tables:
            raise UnknownName(f"there is no table {name!r}", where=f"rule on {table}",
                              hint=did_you_mean(name, tables, "table"))
        there = find_column(str(rule.ref).rpartition(".")[2], tables[name].columns, name)
        own = find_column(str(rule.column), snapshot.columns, table)
        if {kind_of_type(there.type), kind_of_type(own.type)} == {"number", "text"}:
            raise TypeMismatch(f"{own.name!r} is {own.type}, {rule.ref!r} is {there.type}", where=table,
                               hint="Cast one of them first, so that like is compared with like.")


def one_row(engine: DuckDB, sql: str, tables: Mapping[str, Snapshot]) -> tuple[Json, ...]:
    try:
        return engine.rows(sql, tables)[1][0]
    except EngineError as e:
        raise TypeMismatch(f"a rule doesn't fit the table: {e.message}", hint=e.hint) from e


def finding(engine: DuckDB, table: str, tables: Mapping[str, Snapshot], asked: Question, rows: int, total: int,
            samples: Sequence[Json]) -> Finding:
    rule, names, kind = asked.rule, asked.names, rules.kinds()[asked.rule.type]
    said = rules.sentence_of(rule)
    if not kind.per_row:
        evidence = f"`{said}` does not hold: {kind.measured(rule, engine, table, tables)}."
        return Finding(rule.type, table, rule.column, "HIGH", total, total, evidence)
    if names and not asked.examples:
        samples = apart(engine, table, tables, asked)
    evidence = f"{rows} of {total} rows break `{said}`" + (f", e.g. {shown(samples)}" if samples else "")
    column = rule.column or (names[0] if len(names) == 1 else None)
    return Finding(rule.type, table, column, severity_of(rows, total), rows, total, evidence + ".", 1.0,
                   mended(table, rule), asked.predicate, tuple(samples))


def apart(engine: DuckDB, table: str, tables: Mapping[str, Snapshot], asked: Question) -> list[Json]:
    """Examples by a query of their own."""
    picked = ", ".join(quoted(n) for n in asked.names)
    bad = bad_rows_sql(engine, table, tables[table], [asked.predicate])
    found = engine.rows(f"SELECT DISTINCT {picked} FROM ({bad}) AS t ORDER BY ALL LIMIT {EXAMPLES}", tables)[1]
    return [r[0] if len(r) == 1 else dict(zip(asked.names, r, strict=True)) for r in found]


def severity_of(rows: int, total: int) -> Severity:
    """A broken declared rule is never LOW by nature: somebody asked for it. LOW is under 0.1% of the rows."""
    share = rows / total
    return "HIGH" if share > 0.05 else "MEDIUM" if share > 0.001 else "LOW"


def mended(table: str, rule: Rule) -> str:
    if rule.type == "not_null":
        return mend.transform(table, "drop_missing", columns=(rule.column,))
    if rule.type == "unique":
        return mend.transform(table, "drop_duplicates", keys=tuple(rule.columns or (rule.column,)))
    return mend.guard(table, rule)
