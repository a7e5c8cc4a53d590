"""A source's rows come into a stage whole: by the engine alone where nothing surprises it, else batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from intendant.engines.duckdb import DuckDB
from intendant.errors import SourceDamaged
from intendant.lake import Lake
from intendant.lake.filling import fill, taken
from intendant.sources import open_source
from intendant.sources.wire.csv import GUESSED
from intendant.types import ReadRequest, Stamp

LONG = "n\n" + "1\n" * (GUESSED + 10)
SURPRISES = {
    "a code with leading zeros": LONG + "007\n",
    "a number with a point": LONG + "1.5\n",
    "a line with too many cells": LONG + "1,2\n",
    "values only after the head": "n,m\n" + "1,\n" * (GUESSED + 10) + "1,5\n",
    "a moment with a zone": "t\n" + "2024-01-02 03:04:05\n" * (GUESSED + 10) + "2024-01-02T03:04:05+02:00\n",
}
PLAIN = {
    "types": "i,d,b,day,t,s\n1,1.5,true,2024-01-02,2024-01-02 03:04:05,x\n-2,,False,2024-02-29,2024-01-02T03:04:05.25,007\n",
    "an empty column": "a,b\n1,\n2,\n",
    "quoted texts": 'a;b\n1;"x; ""y"""\n2;"two\nlines"\n',
    "no offset is lost": "t\n2024-01-02T03:04:05+02:00\n2024-01-02 03:04:05\n",
    "a row that looks like a comment": "tag,name\n1,a\n#2,b\n3,c\n",
    "a year of six digits is no moment": "t\n290000-01-01 00:00:00\n290001-01-01 00:00:00\n",
    "infinity is no moment": "t\ninfinity\n2024-01-02 03:04:05\n",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    engine = DuckDB(threads=2)
    yield engine
    engine.close()


def quietly(kind: str, data: Any) -> None:
    pass


def source(folder: Path, text: str) -> Any:
    (folder / "a.csv").write_text(text)
    return open_source("drops", {"kind": "files", "path": str(folder / "a.csv")}, folder)


def columns_and_rows(engine: DuckDB, stage: Any) -> tuple[Any, Any]:
    snapshot = stage.snapshot()
    return snapshot.columns, engine.rows(f"SELECT * FROM \"{stage.table}\"", {stage.table: snapshot})[1]


@pytest.mark.parametrize("name", PLAIN)
def test_the_engine_alone_gives_the_same_types_and_rows_as_the_careful_way(name: str, engine: DuckDB, tmp_path: Path) -> None:
    drops, lake = source(tmp_path, PLAIN[name]), Lake(tmp_path / "lake", engine)
    quick, careful = lake.stage("quick", Stamp("r", "1")), lake.stage("careful", Stamp("r", "2"))
    assert taken(quick, drops.direct(ReadRequest("a")), engine, quietly)
    fill(careful, drops.read(ReadRequest("a"), quietly), quietly)
    assert columns_and_rows(engine, quick) == columns_and_rows(engine, careful)


@pytest.mark.parametrize("name", SURPRISES)
def test_a_surprise_leaves_the_stage_empty_for_the_careful_way(name: str, engine: DuckDB, tmp_path: Path) -> None:
    drops, lake = source(tmp_path, SURPRISES[name]), Lake(tmp_path / "lake", engine)
    stage = lake.stage("t", Stamp("r", "1"))
    assert not taken(stage, drops.direct(ReadRequest("a")), engine, quietly)
    assert stage.rows == 0 and not stage.columns and not list(stage.folder.rglob("*.parquet"))
    fill(stage, drops.read(ReadRequest("a"), quietly), quietly)
    assert stage.rows == SURPRISES[name].count("\n") - 1 - ("too many" in name)


@pytest.mark.parametrize("request_", [
    ReadRequest("a", count=5), ReadRequest("a", order="latest", by="n", count=1), ReadRequest("a", after=("n", 1)),
    ReadRequest("a", columns=("n",))])
def test_only_a_request_for_all_rows_is_for_the_engine_alone(request_: ReadRequest, tmp_path: Path) -> None:
    assert source(tmp_path, "n\n1\n").direct(request_) == ()


@pytest.mark.parametrize("text", ["", "a,b\n", "d\n123456789012345678.5\n"])
def test_a_head_that_does_not_tell_the_types_is_for_the_careful_way(text: str, tmp_path: Path) -> None:
    assert source(tmp_path, text).direct(ReadRequest("a")) == ()


def test_a_peek_at_a_large_file_reads_its_head_only(tmp_path: Path) -> None:
    lines = "n,text\n" + "1,abcdefghij\n" * 400_000 + "x,y\n"
    drops = source(tmp_path, lines)
    assert str(drops.peek("a").schema.field("n").type) == "int64"
    whole = next(drops.read(ReadRequest("a"), quietly))
    assert str(whole.schema.field("n").type) == "string"


def test_batches_are_written_in_their_order_while_the_next_are_read(engine: DuckDB, tmp_path: Path) -> None:
    stage, told = Lake(tmp_path, engine).stage("t", Stamp("r", "1")), []
    fill(stage, iter([pa.table({"n": [i, i]}) for i in range(5)]), lambda kind, data: told.append(data["rows"]))
    assert engine.rows("SELECT n FROM t", {"t": stage.snapshot()})[1] == [(i,) for i in range(5) for _ in range(2)]
    assert told == [2, 4, 6, 8, 10]


def test_an_error_of_reading_and_one_of_writing_both_come_through(engine: DuckDB, tmp_path: Path) -> None:
    def broken() -> Iterator[pa.Table]:
        yield pa.table({"n": [1]})
        raise SourceDamaged("the source broke")

    stage = Lake(tmp_path, engine).stage("t", Stamp("r", "1"))
    with pytest.raises(SourceDamaged, match="the source broke"):
        fill(stage, broken(), quietly)
    assert stage.rows == 1
    (tmp_path / "wall").write_text("")
    stage.folder = tmp_path / "wall"
    with pytest.raises((OSError, duckdb.Error)):
        fill(stage, iter([pa.table({"n": [2]})] * 3), quietly)
