"""Past orders as a file: large and in no useful order, so that a query over a few days reads everything."""

from __future__ import annotations

from pathlib import Path

import duckdb

__all__ = ["write_history"]

ROWS = 2_000_000


def write_history(path: Path, rows: int = ROWS) -> None:
    """Writes `rows` orders of two years as Parquet, by shop and not by time; the same each time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute("SET threads = 2")
        con.execute(
            f"""
            COPY (
                SELECT i AS order_id, hash(i) % 40 AS shop, hash(i, 1) % 160 + 1 AS product_id,
                       round(5 + hash(i, 2) % 9000 / 100, 2) AS price, 1 + hash(i, 3) % 4 AS quantity,
                       TIMESTAMP '2024-05-24' + to_seconds(hash(i, 4) % 63072000) AS created_at
                FROM range({int(rows)}) t(i) ORDER BY shop, i
            ) TO ? (FORMAT parquet)
            """, [str(path)])
