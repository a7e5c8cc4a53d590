"""Declared rules against a table: one finding per broken rule, all rules about single rows counted in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intendant.checks import mend, rules
from intendant.checks.rules.base import RuleKind
from intendant.checks.split import bad_rows_sql
from intendant.checks.subject import shown
from intendant.engines.base import quoted
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
    predicates = []
    for rule in declared:
        if rule.type not in kinds:
            raise UnknownName(f"there is no rule {rule.type!r}", where=table,
                              hint=did_you_mean(rule.type, kinds, "rule"))
        check_reference(rule, kinds[rule.type], snapshot, table, tables)
        predicates.append(kinds[rule.type].broken(rule, snapshot.columns).sql("duckdb"))
    if not declared:
        return []
    bad, total = counted(engine, table, tables, [kinds[r.type] for r in declared], predicates)
    return [finding(engine, table, tables, rule, predicate, rows, total)
            for rule, predicate, rows in zip(declared, predicates, bad, strict=True) if rows]


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


def counted(engine: DuckDB, table: str, tables: Mapping[str, Snapshot], kinds: Sequence[RuleKind],
            predicates: Sequence[str]) -> tuple[list[int], int]:
    """Bad rows per rule (1 for a whole-table rule that is broken), and the number of rows."""
    source = table_sql(table).sql("duckdb")
    bad = [0] * len(kinds)
    one_pass = [i for i, k in enumerate(kinds) if k.per_row and not k.windowed]
    shown = [f"count(*) FILTER (WHERE {predicates[i]})" for i in one_pass]
    whole = [i for i, k in enumerate(kinds) if not k.per_row]
    shown += [f"CAST({predicates[i]} AS INTEGER)" for i in whole]
    row = one_row(engine, f"SELECT {', '.join(['count(*)', *shown])} FROM {source}", tables)
    for i, n in zip((*one_pass, *whole), row[1:], strict=True):
        bad[i] = int(n or 0)
    for i, kind in enumerate(kinds):
        if kind.windowed:
            flagged = f"SELECT count(*) FROM (SELECT ({predicates[i]}) AS bad FROM {source}) AS t WHERE bad"
            bad[i] = int(one_row(engine, flagged, tables)[0])
    return bad, int(row[0])


def one_row(engine: DuckDB, sql: str, tables: Mapping[str, Snapshot]) -> tuple[Json, ...]:
    try:
        return engine.rows(sql, tables)[1][0]
    except EngineError as e:
        raise TypeMismatch(f"a rule doesn't fit the table: {e.message}", hint=e.hint) from e


def finding(engine: DuckDB, table: str, tables: Mapping[str, Snapshot], rule: Rule, predicate: str, rows: int,
            total: int) -> Finding:
    said = rules.sentence_of(rule)
    kind = rules.kinds()[rule.type]
    if not kind.per_row:
        evidence = f"`{said}` does not hold: {kind.measured(rule, engine, table, tables)}."
        return Finding(rule.type, table, rule.column, "HIGH", total, total, evidence)
    names = [c.name for c in tables[table].columns if c.name in kind.shows(rule, tables[table].columns)]
    picked = ", ".join(quoted(n) for n in names) or "1"
    bad = bad_rows_sql(engine, table, tables[table], [predicate])
    sql = f"SELECT DISTINCT {picked} FROM ({bad}) AS t LIMIT {EXAMPLES}"
    examples = sorted((tuple(r) for r in engine.rows(sql, tables)[1]), key=repr)
    samples = [r[0] if len(r) == 1 else dict(zip(names, r, strict=True)) for r in examples] if names else []
    evidence = f"{rows} of {total} rows break `{said}`"
    if samples and rule.type != "not_null":
        evidence += f", e.g. {shown(samples)}"
    column = rule.column or (names[0] if len(names) == 1 else None)
    return Finding(rule.type, table, column, severity_of(rows, total), rows, total, evidence + ".", 1.0,
                   mended(table, rule), predicate, tuple(samples))


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
