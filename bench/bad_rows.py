"""What it costs that a row without a value is found: ten steps as they are, with the tests of their divisions, and with bad rows.

    python bench/bad_rows.py [--rows 1000000] [--times 4]

Each step is a COPY of its query to Parquet by DuckDB, as a stage writes it; CPU seconds, the least of so many times. Writes
bench/bad_rows.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import duckdb
from sqlglot import exp

from intendant.catalog import Catalog, Table
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.language.guard import strict
from intendant.operators._compile import Typing, apply, sql_text
from intendant.operators._guard import guarded
from intendant.types import Snapshot, Step

STEPS = (
    "derive r = price / q",
    "cast s to integer",
    "derive v = price * q derive w = v / z",
    'cast "day" to date',
    "filter price / q > 0.01",
    "group by g: sum (price / q) as x",
    "derive k = q % z",
    "join groups on g derive h = m / (g + 1)",
    "derive l = ln(price + 1) derive p = sqrt(price)",
    "derive a = power(price, 0.5) filter q > 10 sort by id first 1000",
)
BAD = "derive r = price / (q - 1) cast s to integer"
"""One row in a thousand divides by zero."""
MADE = """
SELECT range AS id, range % 1000 + 1 AS q, CAST((hash(range) % 100000) / 100.0 AS DOUBLE) AS price,
  CAST(hash(range * 7) % 5000 AS VARCHAR) AS s, range % 20 AS g, (range % 9) + 1 AS z,
  '2025-0' || (range % 9 + 1) || '-1' || (range % 9) AS "day" FROM range({rows})
"""


class Bench:
    def __init__(self, folder: Path, rows: int, times: int) -> None:
        self.folder, self.times, self.engine = folder, times, DuckDB()
        self.tables: dict[str, Snapshot] = {}
        for name, sql in (
            ("sales", MADE.format(rows=rows)),
            ("groups", "SELECT range AS g, range * 3 AS m FROM range(20)"),
        ):
            file = folder / f"{name}.parquet"
            duckdb.sql(f"COPY ({sql}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
            columns = tuple(self.engine.types(f"SELECT * FROM read_parquet('{file}')", {}))
            self.tables[name] = Snapshot(name, 1, "", rows, file.stat().st_size, columns, (str(file),))
        self.catalog = Catalog({n: Table(n, s.columns, s.rows, s.version) for n, s in self.tables.items()})
        self.typing = Typing(self.engine)

    def steps(self, operators: str) -> tuple[Step, ...]:
        found: tuple[Step, ...] = parse(f"query sales {operators}").steps[0].args["operators"]
        return found

    def plain(self, operators: str) -> exp.Expression:
        return apply("sales", self.steps(operators), self.catalog, self.typing, "").query

    def seconds(self, *queries: exp.Expression) -> list[float]:
        """The least CPU time of each, taken in turn."""
        best = [float("inf")] * len(queries)
        for _ in range(self.times):
            for i, query in enumerate(queries):
                started = time.process_time()
                with self.engine.session(self.tables) as con:
                    con.execute(
                        f"COPY ({sql_text(query)}) TO '{self.folder}/out.parquet' (FORMAT parquet, COMPRESSION zstd)"
                    )
                best[i] = min(best[i], time.process_time() - started)
        return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=4)
    args = parser.parse_args()
    lines = ["| step | as it is | with tests |", "| --- | --- | --- |"]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), args.rows, args.times)
        sums = [0.0, 0.0]
        for operators in STEPS:
            query = bench.plain(operators)
            found = bench.seconds(query, strict(query))
            sums = [a + b for a, b in zip(sums, found, strict=True)]
            lines.append(f"| `{operators}` | {found[0]:.3f} | {found[1]:.3f} |")
        good, aside = guarded("sales", bench.steps(BAD), bench.catalog, bench.typing, "")
        plain, rest, *bad = bench.seconds(bench.plain(BAD), good.query, *(a.query for a in aside))
    said = [
        f"# Rows without a value: {args.rows:,} rows, CPU seconds, the least of {args.times}",
        "",
        *lines,
        f"| all | {sums[0]:.2f} | {sums[1]:.2f} ({100 * (sums[1] / sums[0] - 1):+.1f}%) |",
        "",
        f"`{BAD}`, where one row in a thousand is bad: {plain:.3f} s as it is; {rest:.3f} s for the good rows and "
        f"{sum(bad):.3f} s for the bad ones, after the first try has stopped.",
        "",
    ]
    (Path(__file__).parent / "bad_rows.md").write_text("\n".join(said), encoding="utf-8")
    print("\n".join(said))


if __name__ == "__main__":
    main()
