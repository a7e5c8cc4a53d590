"""Where streams were read to is part of a table's versions."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from intendant.errors import Conflict
from intendant.lake import Lake
from intendant.lake.positions import Move, moved, positions_in
from intendant.types import Stamp


def put(lake: Lake, n: int, move: Move | None, mode: str = "append", operation: str = "ingest") -> int:
    stage = lake.stage("t", Stamp("run", str(n)))
    stage.add(pa.table({"id": [n]}))
    return lake.publish(stage, mode, operation=operation, move=move).version  # type: ignore[arg-type]


def test_a_position_moves_with_its_rows_and_goes_back_with_them(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.positions("t") == {}
    put(lake, 0, Move("s.a", None, {"0": {"next": 1}}))
    put(lake, 1, Move("s.a", {"0": {"next": 1}}, {"0": {"next": 2}}))
    put(lake, 2, Move("s.b", None, {"0": {"next": 9}}))
    put(lake, 3, None, operation="transform")
    lake.compact("t", Stamp("run", "4"))
    assert lake.positions("t") == {"s.a": {"0": {"next": 2}}, "s.b": {"0": {"next": 9}}}
    lake.restore("t", 1, Stamp("run", "5"))
    assert lake.positions("t") == {"s.a": {"0": {"next": 2}}}
    assert Lake(tmp_path).positions("t") == {"s.a": {"0": {"next": 2}}}


def test_rows_read_from_where_the_table_no_longer_is_are_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, 0, Move("s.a", None, {"0": {"next": 1}}))
    with pytest.raises(Conflict, match=r"has got other rows of s\.a meanwhile"):
        put(lake, 1, Move("s.a", None, {"0": {"next": 5}}))
    assert lake.snapshot("t").rows == 1
    put(lake, 2, Move("s.a", None, {"0": {"next": 5}}, alone=False))
    assert lake.positions("t") == {"s.a": {"0": {"next": 5}}}


def test_a_position_can_move_without_a_row_once_for_a_step(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, 0, Move("s.a", None, {"0": {"next": 1}}))
    move = Move("s.a", {"0": {"next": 1}}, {"0": {"next": 3}})
    assert [lake.advance("t", move, Stamp("run", "1")).version for _ in range(2)] == [1, 1]
    assert lake.snapshot("t").rows == 1 and lake.positions("t") == {"s.a": {"0": {"next": 3}}}


@pytest.mark.parametrize(("mode", "operation", "kept"), [
    ("append", "ingest", True), ("replace", "transform", True), ("replace", "archive", True), ("append", "load", True),
    ("replace", "ingest", False), ("replace", "load", False)])
def test_rows_from_elsewhere_end_a_position(mode: str, operation: str, kept: bool) -> None:
    before = moved("t", {}, Move("s.a", None, 1), "append", "ingest")
    assert positions_in(moved("t", before, None, mode, operation)) == ({"s.a": 1} if kept else {})
