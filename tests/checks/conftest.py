"""Tables made by a query, as the snapshots that checks look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intendant.engines.duckdb import DuckDB
from intendant.types import Column, Snapshot

Make = Callable[..., Snapshot]


@pytest.fixture(scope="session")
def engine() -> Iterator[DuckDB]:
    engine = DuckDB(threads=2)
    yield engine
    engine.close()


@pytest.fixture
def table(engine: DuckDB, tmp_path: Path) -> Make:
    def make(sql: str, name: str = "t") -> Snapshot:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        with engine.connect() as con:
            con.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
            columns = tuple(Column(r[0], r[1]) for r in con.execute(f"DESCRIBE FROM '{path}'").fetchall())
            rows = con.execute(f"SELECT count(*) FROM '{path}'").fetchone()
        return Snapshot(name, 1, "", rows[0] if rows else 0, 0, columns, (str(path),))

    return make
