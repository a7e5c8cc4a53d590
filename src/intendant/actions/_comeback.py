"""Archived rows beside the table that they come back to: what it became meanwhile, held against its contract."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.actions.base import Context, place
from intendant.engines.base import quoted
from intendant.errors import GateStop, LakeError, TypeMismatch
from intendant.lake.cold import Manifest
from intendant.lake.schema import unify
from intendant.operators.base import table_sql
from intendant.types import Column, Snapshot, Step
from intendant.workspace import SchemaContract

__all__ = ["fitted"]

STOPS = ("freeze", "quarantine", "ask")


def fitted(rows: str, manifest: Manifest, table: str, step: Step, context: Context) -> str:
    """The SQL of the archived rows with the table's types of today where every value fits them; else the contract decides.

    Raises GateStop where the contract doesn't take such a change, TypeMismatch for values that would turn a column of the
    table into text, LakeError for rows that are in the table already.
    """
    now = context.lake.snapshot(table)
    contract = context.workspace.contract_of(table)
    types = {c.name.casefold(): c for c in now.columns}
    shown = []
    for column in manifest.columns:
        there = types.get(column.name.casefold())
        if there is None:
            stop(contract, "new", f"Column {column.name!r} is no longer in {table!r}", table)
            shown.append(quoted(column.name))
        else:
            shown.append(
                f"CAST({quoted(column.name)} AS {typed(rows, column, there, table, contract, context)}) AS {quoted(there.name)}"
            )
    held = {c.name.casefold() for c in manifest.columns}
    for column in now.columns:
        if column.name.casefold() not in held:
            stop(contract, "missing", f"Column {column.name!r} is newer than the archive", table)
    sql = f"SELECT {', '.join(shown)} FROM ({rows}) AS t"
    there_already(sql, manifest, now, types, step, context)
    return sql


def typed(rows: str, was: Column, now: Column, table: str, contract: SchemaContract, context: Context) -> str:
    """The type to bring a column back in."""
    if was.type == now.type or unify(now.type, was.type) == now.type:
        return now.type
    own = quoted(was.name)
    again = f"TRY_CAST(TRY_CAST({own} AS {now.type}) AS {was.type})"
    unfit = f"SELECT count(*) FROM ({rows}) AS t WHERE {again} IS DISTINCT FROM {own}"
    if not context.engine.rows(unfit, {})[1][0][0]:
        return now.type
    joint = unify(now.type, was.type)
    said = f"Column {was.name!r} was {was.type} when its rows were archived and is {now.type} now"
    if joint == "VARCHAR" and now.type != "VARCHAR":
        raise TypeMismatch(said, where=table, hint=f"Cast it back first: `transform {table} cast {was.name} to ...`.")
    stop(contract, "widened", said, table)
    return joint


def stop(contract: SchemaContract, kind: str, said: str, table: str) -> None:
    word = getattr(contract, kind)
    if word in STOPS:
        raise GateStop(
            f"{said}, and the table's contract doesn't take that ({kind}: {word})",
            where=table,
            hint=f'Set schema = {{ {kind} = "evolve" }} of [tables."{table}"] to bring the rows back.',
        )


def there_already(
    sql: str, manifest: Manifest, now: Snapshot, types: Mapping[str, Column], step: Step, context: Context
) -> None:
    """Stops when the table holds such rows: it was loaded again since, and they would be there twice."""
    shared = [quoted(types[c.name.casefold()].name) for c in manifest.columns if c.name.casefold() in types]
    if not shared or not now.rows:
        return
    listed = ", ".join(shared)
    found = f"SELECT count(*) FROM (SELECT {listed} FROM ({sql}) AS t INTERSECT SELECT {listed} FROM {table_sql(now.table).sql('duckdb')})"
    twice = context.engine.rows(found, {now.table: now})[1][0][0]
    if twice:
        raise LakeError(
            f"{twice:,} rows of the archive {manifest.id!r} are in {now.table!r} already",
            where=place(step),
            hint=f"{now.table} was loaded again since. Take them out first, or leave the archive as it is.",
        )
