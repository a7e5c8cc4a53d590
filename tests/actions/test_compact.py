"""Compaction: fewer files with the same rows, in their order and partitions; taken back or left alone where it brings nothing."""

from __future__ import annotations

import multiprocessing
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from intendant.actions.base import Context, Staged
from intendant.app import Intendant
from intendant.engines.duckdb import DuckDB
from intendant.errors import Conflict, DiskFull
from intendant.lake import Lake
from intendant.language import parse
from intendant.run.following import published
from intendant.types import Stamp


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    with Intendant.init(tmp_path / "w") as made:
        yield made


def append(lake: Lake, n: int, rows: int = 20, table: str = "orders") -> None:
    stage = lake.stage(table, Stamp("append", str(n)))
    ids = range(n * rows, (n + 1) * rows)
    stage.add(
        pa.table({"id": list(ids), "region": [f"r{i % 3}" for i in ids], "amount": [(i * 7919) % 1000 for i in ids]})
    )
    lake.publish(stage, "append")


def done(app: Intendant, text: str) -> Any:
    result = app.do(text, approve=True)
    assert result.status == "succeeded", (text, result.error)
    return result


def test_small_files_become_one_and_it_says_from_what_to_what(app: Intendant) -> None:
    for n in range(12):
        append(app.lake, n)
    rows, lineage = app.sql("SELECT * FROM orders ORDER BY id"), app.journal.events(kinds=["table.published"])
    facts = done(app, "optimize orders for storage").steps[0]["optimization"]
    assert (facts["files_before"], facts["files_after"], facts["kept"]) == (12, 1, True)
    assert facts["bytes_after"] < facts["bytes_before"] and facts["why"] == "12 files hold 240 rows"
    assert app.sql("SELECT * FROM orders ORDER BY id") == rows
    assert app.history("orders")[0]["operation"] == "compact"
    assert app.journal.events(kinds=["table.published"]) == lineage


def test_a_table_with_nothing_to_gather_stays_at_its_version(app: Intendant) -> None:
    append(app.lake, 0)
    facts = done(app, "optimize orders for storage").steps[0]["optimization"]
    assert facts["why"] == "20 rows in 1 files: there is nothing to gather" and len(app.history("orders")) == 1


def test_order_and_partitions_are_kept(app: Intendant) -> None:
    append(app.lake, 0, 60)
    done(app, "provision mart from orders partition by region sort by amount")
    for n in range(1, 5):
        append(app.lake, n, 60, "mart")
    assert app.show("mart")["files"] == 15
    done(app, "optimize mart for storage")
    files = app.lake.snapshot("mart").files
    assert (
        sorted({Path(f).parent.name for f in files}) == ["by_region=r0", "by_region=r1", "by_region=r2"]
        and len(files) == 3
    )
    for file in files:
        amounts = [r[0] for r in DuckDB(threads=1).rows(f"SELECT amount FROM read_parquet('{file}')", {})[1]]
        assert amounts == sorted(amounts) and len(amounts) == 100
    assert app.show("mart")["sort_by"] == ["amount"] and app.show("mart")["rows"] == 300


def test_rows_that_are_added_meanwhile_are_all_there(app: Intendant) -> None:
    for n in range(20):
        append(app.lake, n)
    writer = threading.Thread(target=lambda: [append(app.lake, n) for n in range(20, 40)])
    writer.start()
    for n in range(5):
        app.lake.compact("orders", Stamp("pack", str(n)))
    writer.join()
    assert app.sql("SELECT count(*), count(DISTINCT id) FROM orders")["rows"] == [[800, 800]]


def short_of_space(root: Path, answers: multiprocessing.Queue[str]) -> None:
    lake = Lake(root, DuckDB(threads=1))
    lake.snapshot("orders")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        lake.compact("orders", Stamp("pack", "0"))
    except DiskFull as error:
        answers.put(error.hint)


def test_a_full_disk_leaves_the_table_and_nothing_lies_about(app: Intendant) -> None:
    for n in range(3):
        append(app.lake, n, 3000)
    before, size = app.lake.snapshot("orders"), app.lake.size()
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    child = spawn.Process(target=short_of_space, args=(app.lake.root, answers))
    child.start()
    assert "the table" in answers.get(timeout=90)
    child.join()
    assert app.lake.snapshot("orders") == before and app.lake.size() == size
    assert app.lake.compact("orders", Stamp("pack", "1")).rows == 9000


def test_a_version_made_by_another_while_a_step_works_is_not_overwritten(app: Intendant) -> None:
    """A load from outside the loop comes between reading a table and replacing it."""
    step = parse("transform orders first 1").steps[0]
    context = Context(
        app.workspace, app.lake, app.engine, app.catalog(), app.journal, Stamp("slow", "0"), lambda kind, data: None,
        app.knowledge.source,
    )  # fmt: skip
    append(app.lake, 0)
    stage = app.lake.stage("orders", Stamp("slow", "0"))
    stage.add(pa.table({"id": [1]}))
    append(app.lake, 1)
    with pytest.raises(Conflict, match="'orders' became version 1 while version 0 was worked on") as told:
        published(stage, Staged("orders", "replace", facts={"inputs": {"orders": 0}}), step, context)
    assert told.value.hint == "Nothing was published. Run it again on the newer version."
    assert app.lake.snapshot("orders").rows == 40
