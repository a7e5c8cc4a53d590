"""A snapshot as SQL over exactly its Parquet files, whatever columns and types each of them was written with."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import duckdb

from intendant.engines.base import quoted, text
from intendant.types import Column, Snapshot

__all__ = ["Footers", "Signature", "alike", "escaped", "read_files_sql", "scan_sql"]

Signature: TypeAlias = Mapping[str, str]
"""A file's top-level columns (folded name) with a text that is equal exactly when their types are."""
REMEMBERED = 100_000


def escaped(path: str) -> str:
    """The glob pattern that matches only the file `path`."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _list(files: Iterable[str]) -> str:
    return "[" + ", ".join(text(escaped(f)) for f in files) + "]"


def _signatures(rows: Iterable[tuple[str, str, str, int | None]]) -> dict[str, Signature]:
    found: dict[str, Signature] = {}
    for file, group in itertools.groupby(rows, key=lambda row: row[0]):
        columns: dict[str, str] = {}
        nodes = list(group)
        at = 1
        while at < len(nodes):
            start, open_nodes = at, 1
            while open_nodes:
                open_nodes += (nodes[at][3] or 0) - 1
                at += 1
            columns[nodes[start][1].casefold()] = ";".join(f"{n if i else ''}{t}"
                                                           for i, (_, n, t, _) in enumerate(nodes[start:at]))
        found[file] = columns
    return found


class Footers:
    """What columns each Parquet file has; files never change, so each footer is read once."""

    def __init__(self) -> None:
        self._known: dict[str, Signature] = {}
        self._lock = threading.Lock()
        self._con: duckdb.DuckDBPyConnection | None = None

    def of(self, files: Sequence[str]) -> list[Signature]:
        """One signature per file. Raises duckdb.Error for a file that can't be read."""
        unknown = [f for f in files if f not in self._known]
        if unknown:
            read = self._read(unknown)
            with self._lock:
                if len(self._known) > REMEMBERED:
                    self._known.clear()
                self._known.update(read)
            return [read.get(f) or self._known[f] for f in files]
        return [self._known[f] for f in files]

    def close(self) -> None:
        with self._lock:
            if self._con is not None:
                self._con.close()
            self._con = None

    def _read(self, files: Sequence[str]) -> dict[str, Signature]:
        sql = ("SELECT file_name, name, concat_ws(':', type, type_length, converted_type, logical_type, scale,"
               f" precision, num_children), num_children FROM parquet_schema({_list(files)})")
        with self._lock:
            if self._con is None:
                self._con = duckdb.connect(":memory:", config={"threads": "1"})
            con = self._con.cursor()
        with con:
            return _signatures(con.execute(sql).fetchall())


def _select(columns: Sequence[Column], present: Iterable[str], source: str) -> str:
    there = set(present)
    fields = (f"CAST({quoted(c.name) if c.name.casefold() in there else 'NULL'} AS {c.type}) AS {quoted(c.name)}"
              for c in columns)
    return f"SELECT {', '.join(fields)} {source}"


def _read_sql(columns: Sequence[Column], files: Sequence[str], present: Iterable[str]) -> str:
    return _select(columns, present, read_files_sql(files))


def read_files_sql(files: Sequence[str]) -> str:
    """The FROM over files that agree on types, with all of their columns."""
    return f"FROM read_parquet({_list(files)}, union_by_name = true, hive_partitioning = false)"


def _agree(a: Signature, b: Signature) -> bool:
    return all(b.get(name, kind) == kind for name, kind in a.items())


def scan_sql(snapshot: Snapshot, signatures: Sequence[Signature]) -> str:
    """The SELECT. Files in a row that agree on types are one scan; disagreeing ones are united after their casts."""
    if not snapshot.files:
        return _select(snapshot.columns, (), "WHERE false")
    runs = alike(snapshot.files, signatures)
    return " UNION ALL ".join(_read_sql(snapshot.columns, files, present) for files, present in runs)


def alike(files: Sequence[str], signatures: Sequence[Signature]) -> list[tuple[list[str], dict[str, str]]]:
    """The files, in their order, as runs that agree on types, each with all of its columns."""
    runs: list[tuple[list[str], dict[str, str]]] = []
    for file, signature in zip(files, signatures, strict=True):
        if not runs or not _agree(signature, runs[-1][1]):
            runs.append(([], {}))
        runs[-1][0].append(file)
        runs[-1][1].update(signature)
    return runs
