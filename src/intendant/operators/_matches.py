"""How many rows a join makes, counted from its keys before it runs: the rows of each key here times those there.

The keys of the smaller side are counted first. Where none is in many rows the join can't explode, and that is all it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from intendant.catalog import Catalog
from intendant.engines.duckdb import DuckDB
from intendant.errors import EngineError, PolicyError
from intendant.language.grammar import grammar
from intendant.language.to_sql import column_sql
from intendant.operators._compile import Typing, apply, reads_of, scope_of, sql_text, table_relation
from intendant.operators._guard import guarded
from intendant.operators.base import Relation, select_from
from intendant.operators.join import Join
from intendant.types import Json, Snapshot, Step

__all__ = ["SAMPLED_ABOVE", "Budget", "Matches", "exploding", "refused"]

SAMPLED_ABOVE = 20_000_000
"""Rows of the smaller side above which keys are counted in a sample."""
SAMPLE_ROWS = 2_000_000
WORST = 3


@dataclass(frozen=True)
class Budget:
    """`[policy]`: a join may make `rows`, or `factor` times the rows of its larger side, whichever is more; 0 rows: any."""

    rows: int
    factor: float

    def exceeded(self, made: float, larger: float) -> bool:
        return bool(self.rows) and made > self.rows and made > self.factor * larger


@dataclass(frozen=True)
class Matches:
    """What a join would make: `said` is its sentence, `rows` come of `left` and `right`; `worst` are keys with their rows here
    and there. `exact` unless it was told from a sample."""

    said: str
    rows: int
    left: int
    right: int
    worst: tuple[str, ...]
    exact: bool
    keys: tuple[str, ...]

    @property
    def text(self) -> str:
        about = "" if self.exact else "about "
        return f"`{self.said}` would make {about}{self.rows:,} rows of {self.left:,} and {self.right:,}: {'; '.join(self.worst)}"


def refused(found: Matches, where: str) -> PolicyError:
    keys = ", ".join(found.keys)
    hint = (
        f"Make one row of each key first, e.g. `drop duplicates by {keys}` or `group by {keys}: ...`; match more columns; "
        "or allow it: policy.join_budget_rows."
    )
    return PolicyError(found.text, where=where, hint=hint, join=found.said)


Rows = Callable[[str], list[tuple[Json, ...]]]


def exploding(
    table: str, steps: Sequence[Step], catalog: Catalog, typing: Typing, engine: DuckDB, snapshots: Mapping[str, Snapshot],
    budget: Budget, sampled_above: int = SAMPLED_ABOVE,
) -> Iterator[Matches]:  # fmt: skip
    """The joins that would exceed the budget, counted over these snapshots. Raises EngineError, Damaged."""
    for at, step in enumerate(steps):
        if step.verb != "join" or step.get("side") in ("semi", "anti") or not budget.rows:
            continue
        before = tuple(steps[:at])
        if single(before, step):
            continue
        here = max(snapshots[n].rows for n in reads_of(table, before, catalog))
        there = snapshots[catalog.table(step.args["table"]).name].rows

        def rows(sql: str) -> list[tuple[Json, ...]]:
            return engine.rows(sql, snapshots)[1]

        try:
            sides = Sides.of(step, apply(table, before, catalog, typing, ""), catalog, typing)
            found = sides.counted(rows, budget, here, there, sampled_above)
        except EngineError:
            sides = Sides.of(step, guarded(table, before, catalog, typing, "")[0], catalog, typing)
            found = sides.counted(rows, budget, here, there, sampled_above)
        if found is not None:
            yield found


def single(before: Sequence[Step], step: Step) -> bool:
    """Whether each key is in one row at most by the step before, which made it so."""
    last = before[-1] if before else None
    if last is None or last.verb not in ("group", "drop_duplicates") or not last.get("keys"):
        return False
    return {str(k).lower() for k in last.args["keys"]} <= {str(a).lower() for a, _ in step.args["match"]}


@dataclass(frozen=True)
class Sides:
    """The two sides of a join as queries of their keys alone, k1, k2 ... without missing ones."""

    said: str
    names: tuple[str, ...]
    left: str
    right: str

    @classmethod
    def of(cls, step: Step, relation: Relation, catalog: Catalog, typing: Typing) -> Sides:
        other = table_relation(step.args["table"], catalog, "")
        scope = scope_of(step, catalog, typing, "")
        pairs = [Join().pair(a, b, relation, other.columns, scope) for a, b in step.args["match"]]
        left, right = keys_of(relation, [a for a, _ in pairs]), keys_of(other, [b for _, b in pairs])
        return cls(grammar().write(step), tuple(dict.fromkeys(a for a, _ in pairs)), left, right)

    @property
    def keys(self) -> str:
        return ", ".join(f"k{i + 1}" for i in range(len(self.names)))

    def counted(self, rows: Rows, budget: Budget, here: int, there: int, sampled_above: int) -> Matches | None:
        """The matches where they exceed the budget; None where they don't."""
        if min(here, there) > sampled_above:
            return self.summed(rows, budget, here <= there, SAMPLE_ROWS / here, SAMPLE_ROWS / there)
        small = self.left if here <= there else self.right
        most = rows(f"SELECT max(n) FROM (SELECT count(*) AS n FROM ({small}) AS s GROUP BY {self.keys}) AS g")[0][0]
        if (most or 0) <= budget.factor:
            return None
        return self.summed(rows, budget, here <= there)

    def summed(
        self, rows: Rows, budget: Budget, left_small: bool, left_share: float = 1.0, right_share: float = 1.0
    ) -> Matches | None:
        """The sum over all keys; of so much of each side."""
        left, right = sampled(self.left, left_share), sampled(self.right, right_share)
        small, big = (left, right) if left_small else (right, left)
        each = f"(SELECT {self.keys}, count(*) AS n FROM ({small}) AS s GROUP BY {self.keys}) AS g"
        sql = f"SELECT sum(n), count(*), (SELECT sum(n) FROM {each}) FROM ({big}) AS b LEFT JOIN {each} USING ({self.keys})"
        made, of_big, of_small = (float(v or 0) for v in rows(sql)[0])
        lefts, rights = (of_small, of_big) if left_small else (of_big, of_small)
        made, lefts, rights = made / left_share / right_share, lefts / left_share, rights / right_share
        if not budget.exceeded(made, max(lefts, rights)):
            return None
        worst = rows(
            f"SELECT {self.keys}, any_value(n), count(*) FROM ({big}) AS b JOIN {each} USING ({self.keys}) "
            f"GROUP BY {self.keys} ORDER BY any_value(n) * count(*) DESC, {self.keys} LIMIT {WORST}"
        )
        exact = left_share == right_share == 1
        told = tuple(self.told(r, left_small, left_share, right_share) for r in worst)
        return Matches(self.said, round(made), round(lefts), round(rights), told, exact, self.names)

    def told(self, row: tuple[Json, ...], left_small: bool, left_share: float, right_share: float) -> str:
        *values, of_small, of_big = row
        here, there = (of_small, of_big) if left_small else (of_big, of_small)
        shown = ", ".join(f"{n} = {str(v)[:60]}" for n, v in zip(self.names, values, strict=False))
        return f"{shown} is in {round(here / left_share):,} rows here and {round(there / right_share):,} there"


def keys_of(relation: Relation, names: Sequence[str]) -> str:
    copied = Relation(relation.query.copy(), relation.columns)
    shown = [exp.alias_(column_sql(n), f"k{i + 1}") for i, n in enumerate(names)]
    there = [exp.Not(this=exp.Is(this=column_sql(n), expression=exp.Null())) for n in names]
    return sql_text(select_from(copied, *shown).where(exp.and_(*there), copy=False))


def sampled(sql: str, share: float) -> str:
    if share >= 1:
        return sql
    return f"SELECT * FROM ({sql}) AS u USING SAMPLE {share * 100:.6f} PERCENT (bernoulli, 7)"
