"""Declared rules against a table: one finding per broken rule, all rules about single rows counted in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from intendant.checks import mend, rules
from intendant.checks.rules.base import RuleKind
from intendant.checks.split import has_window
from intendant.checks.subject import shown
from intendant.engines.base import Reader, Worker, quoted, text
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
    broken: dict[int, Finding] = {}
    for reader, share in shared(engine, table, tables, asked):
        total, *found = one_row(reader, tallies_sql(table, share.values()), tables)
        broken |= {at: finding(reader, table, tables, a, int(rows or 0), int(total), examples or ())
                   for (at, a), rows, examples in zip(share.items(), found[::2], found[1::2], strict=True) if rows}
    return [broken[at] for at in sorted(broken)]


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


def shared(engine: DuckDB, table: str, tables: Mapping[str, Snapshot],
           asked: Sequence[Question]) -> list[tuple[Reader, dict[int, Question]]]:
    """Who answers which questions, by their places: of a large table the worker does, where it can, and DuckDB the rest.

    The worker is asked for examples apart, of broken rules only: gathering them beside the counts has no bound there.
    """
    worker, there = engine.worker, {}
    if worker is not None and tables[table].rows >= worker.checks_from:
        apart = {at: replace(a, examples="") for at, a in enumerate(asked)}
        there = {at: a for at, a in apart.items() if takes(worker, table, tables, a)}
    here = {at: a for at, a in enumerate(asked) if at not in there}
    shares: list[tuple[Reader, dict[int, Question]]] = [(worker, there)] if worker is not None else []
    return [(reader, share) for reader, share in (*shares, (engine, here)) if share]


def takes(worker: Worker, table: str, tables: Mapping[str, Snapshot], asked: Question) -> bool:
    """Whether the worker can both count and show; a rule that doesn't fit the table is DuckDB's to refuse."""
    try:
        return (worker.takes(tallies_sql(table, [asked]), tables)
                and (not asked.names or worker.takes(examples_sql(table, tables[table], asked), tables)))
    except EngineError:
        return False


def tallies_sql(table: str, asked: Iterable[Question]) -> str:
    aggregates = ", ".join(f"{a.tally} AS n{i}, {a.examples or 'NULL'} AS e{i}" for i, a in enumerate(asked))
    return f"SELECT count(*) AS n, {aggregates} FROM {table_sql(table).sql('duckdb')}"


def examples_sql(table: str, snapshot: Snapshot, asked: Question) -> str:
    """The least of the values that break a rule, as `min(DISTINCT value, 3)` would give them."""
    picked, source = ", ".join(quoted(n) for n in asked.names), table_sql(table).sql("duckdb")
    bad = rules.kinds()[asked.rule.type].culprits(asked.rule, snapshot.columns, source)
    bad = bad or f"SELECT {picked} FROM {source} {'QUALIFY' if has_window(asked.predicate) else 'WHERE'} {asked.predicate}"
    present = f" WHERE {picked} IS NOT NULL" if len(asked.names) == 1 else ""
    return f"SELECT DISTINCT {picked} FROM ({bad}) AS t{present} ORDER BY {picked} LIMIT {EXAMPLES}"


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


def one_row(reader: Reader, sql: str, tables: Mapping[str, Snapshot]) -> tuple[Json, ...]:
    try:
        return reader.rows(sql, tables)[1][0]
    except EngineError as e:
        if not isinstance(reader, DuckDB) and not e.facts.get("refused"):  # it's the worker's fault, not the rule's
            raise
        raise TypeMismatch(f"a rule doesn't fit the table: {e.message}", hint=e.hint) from e


def finding(reader: Reader, table: str, tables: Mapping[str, Snapshot], asked: Question, rows: int, total: int,
            samples: Sequence[Json]) -> Finding:
    rule, names, kind = asked.rule, asked.names, rules.kinds()[asked.rule.type]
    said = rules.sentence_of(rule)
    if not kind.per_row:
        evidence = f"`{said}` does not hold: {kind.measured(rule, reader, table, tables)}."
        return Finding(rule.type, table, rule.column, "HIGH", total, total, evidence)
    if names and not asked.examples:
        samples = apart(reader, table, tables, asked)
    evidence = f"{rows} of {total} rows break `{said}`" + (f", e.g. {shown(samples)}" if samples else "")
    column = rule.column or (names[0] if len(names) == 1 else None)
    return Finding(rule.type, table, column, severity_of(rows, total), rows, total, evidence + ".", 1.0,
                   mended(table, rule), asked.predicate, tuple(samples))


def apart(reader: Reader, table: str, tables: Mapping[str, Snapshot], asked: Question) -> list[Json]:
    """Examples by a query of their own."""
    found = reader.rows(examples_sql(table, tables[table], asked), tables)[1]
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
