"""The engine sees exactly the tables it is given, each call by itself, and says what is wrong in our words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.errors import Damaged, DiskFull, EngineError
from intendant.types import Column, Snapshot


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    engine = DuckDB(threads=2)
    yield engine
    engine.close()


def file(engine: DuckDB, path: Path, sql: str) -> str:
    with engine.connect() as con:
        con.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return str(path)


def snapshot(columns: dict[str, str], *files: str, table: str = "t") -> Snapshot:
    return Snapshot(table, 1, "", 0, 0, tuple(Column(n, t) for n, t in columns.items()), files)


def test_a_snapshot_is_its_files_under_its_schema(engine: DuckDB, tmp_path: Path) -> None:
    files = [file(engine, tmp_path / "a.parquet", "SELECT 1 AS a, 'x' AS b"),
             file(engine, tmp_path / "b.parquet", "SELECT 2.5::DOUBLE AS a, {'k': 1} AS s, 9 AS extra"),
             file(engine, tmp_path / "c.parquet", "SELECT true AS B, {'k': 1, 'l': 2} AS s")]
    wanted = snapshot({"s": "STRUCT(k BIGINT, l BIGINT)", "a": "DOUBLE", "b": "VARCHAR", "z": "DATE"}, *files)
    assert engine.rows("SELECT * FROM t", {"t": wanted}) == (["s", "a", "b", "z"], [
        (None, 1.0, "x", None), ({"k": 1, "l": None}, 2.5, None, None), ({"k": 1, "l": 2}, None, "true", None)])


def test_a_snapshot_without_files_is_an_empty_table(engine: DuckDB) -> None:
    empty = snapshot({"a": "BIGINT", "l": "STRUCT(x VARCHAR)[]"})
    assert engine.rows("SELECT * FROM t", {"t": empty}) == (["a", "l"], [])
    assert engine.types("SELECT *, a / 2 AS half FROM t", {"t": empty}) == [
        Column("a", "BIGINT"), Column("l", "STRUCT(x VARCHAR)[]"), Column("half", "DOUBLE")]


def test_schemas_and_odd_names_resolve(engine: DuckDB) -> None:
    tables = {name: snapshot({"a": "BIGINT"}, table=name)
              for name in ("orders", "staging.orders", "quarantine.a.b", 'odd "name"')}
    for sql in ("orders", "main.orders", "STAGING.Orders", 'quarantine."a.b"', quoted('odd "name"')):
        assert engine.rows(f"SELECT * FROM {sql}", tables) == (["a"], [])


def test_values_are_bound_and_never_read_as_sql(engine: DuckDB) -> None:
    evil = "'); DROP TABLE x; --"
    assert engine.rows("SELECT ? AS v", {}, [evil]) == (["v"], [(evil,)])


def test_an_unfinished_result_blocks_no_other_call(engine: DuckDB) -> None:
    stream = engine.arrow("SELECT * FROM range(10000000)", {})
    next(stream)
    assert engine.rows("SELECT 1", {})[1] == [(1,)]
    stream.close()


def test_threads_do_not_see_each_others_tables(engine: DuckDB, tmp_path: Path) -> None:
    files = [file(engine, tmp_path / f"{i}.parquet", f"SELECT {i} AS a") for i in range(8)]
    seen: list[tuple[int, object]] = []

    def look(i: int) -> None:
        seen.append((i, engine.rows("SELECT a FROM t", {"t": snapshot({"a": "INTEGER"}, files[i])})[1]))

    threads = [threading.Thread(target=look, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [(i, [(i,)]) for i in range(8)]


@pytest.mark.parametrize(("sql", "hint"), [
    ("SELECT nope(1)", "Did you mean"), ("SELECT * FROM missing", "no table yet"),
    ("SELECT CAST('x' AS INT)", "try_cast"),
    ("SELEC 1", "syntax"), ("SELECT x", "column names"), ("SELECT 127::TINYINT + 1::TINYINT", "wider"),
])
def test_a_refused_statement_comes_with_one_line_and_a_hint(sql: str, hint: str, engine: DuckDB) -> None:
    with pytest.raises(EngineError, match=hint) as error:
        engine.rows(sql, {})
    assert "\n" not in error.value.message


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_broken_file_is_damage_of_its_table(damage: str, engine: DuckDB, tmp_path: Path) -> None:
    path = tmp_path / "[odd] dir*"
    path.mkdir()
    good = file(engine, path / "a.parquet", "SELECT 1 AS a")
    bad = Path(file(engine, path / "b.parquet", "SELECT range AS a FROM range(1000)"))
    bad.unlink() if damage == "missing" else bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(Damaged) as error:
        engine.rows("SELECT * FROM t", {"t": snapshot({"a": "BIGINT"}, good, str(bad))})
    assert error.value.where == str(bad)


def test_no_room_for_temporary_files_is_a_full_disk(tmp_path: Path) -> None:
    small = DuckDB(threads=1, memory_limit="40MB", temp=tmp_path / "temp")
    with pytest.raises((DiskFull, EngineError)) as error, small.session() as con:
        con.execute("SET max_temp_directory_size = '1MB'")
        con.execute("SELECT * FROM (SELECT random() AS r, repeat('x', 200) FROM range(1000000)) ORDER BY r").fetchall()
    assert error.value.code == "disk_full"
    small.close()


def test_the_engine_is_usable_again_after_close() -> None:
    engine = DuckDB()
    assert engine.rows("SELECT 1", {})[1] == [(1,)]
    engine.close()
    assert engine.rows("SELECT 1", {})[1] == [(1,)]
    engine.close()


def test_very_wide_whole_numbers_beside_times_with_a_zone_stay_whole() -> None:
    engine = DuckDB(threads=1)
    sql = "SELECT NULL::HUGEINT AS n, 170141183460469231731687303715884105727::HUGEINT AS h, now() AS at"
    _, [row] = engine.rows(sql, {})
    engine.close()
    assert row[0] is None and type(row[1]) is int and row[1] == 2**127 - 1
