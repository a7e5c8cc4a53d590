"""What every kind of source keeps to; a new kind is tested by giving it a world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.sources.worlds import BAD_CONFIGS, ROWS, WORLDS

from intendant.errors import IntendantError, UnknownName, WorkspaceError
from intendant.sources import kinds, open_source, source_class
from intendant.sources.base import Source
from intendant.types import ReadRequest


@pytest.fixture(params=[*kinds(), *(world for world in WORLDS if world not in kinds())])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    with WORLDS[request.param](tmp_path) as config:
        yield open_source("shop", config, tmp_path)


def silent(kind: str, data: Any) -> None:
    assert kind in ("source.progress", "source.position"), (kind, data)


def read(source: Source, request: ReadRequest) -> pa.Table:
    return pa.concat_tables(source.read(request, silent), promote_options="permissive")


def test_resources_name_what_there_is(source: Source) -> None:
    assert {r.name for r in source.resources()} == {"orders", "nothing"}
    assert all(r.source == "shop" and r.full == f"shop.{r.name}" for r in source.resources())


def test_all_rows_come_with_their_values(source: Source) -> None:
    table = read(source, ReadRequest("orders"))
    rows = sorted(table.to_pylist(), key=lambda row: row["id"])
    assert len(rows) == len(ROWS)
    for got, sent in zip(rows, ROWS, strict=True):
        assert {**got, "created_at": got["created_at"].isoformat()} == sent


def test_names_keep_spaces_quotes_words_and_case(source: Source) -> None:
    assert read(source, ReadRequest("orders")).column_names == list(ROWS[0])


def test_types_are_found_and_codes_stay_text(source: Source) -> None:
    schema = read(source, ReadRequest("orders")).schema
    assert schema.field("id").type == pa.int64()
    assert schema.field('quo"te').type == pa.float64()
    assert schema.field("code").type == pa.string()
    assert pa.types.is_timestamp(schema.field("created_at").type)


def test_the_latest_are_among_what_comes(source: Source) -> None:
    request = ReadRequest("orders", count=20, order="latest", by="created_at")
    got = sorted((row["created_at"].isoformat() for row in read(source, request).to_pylist()), reverse=True)
    assert got[:20] == sorted((row["created_at"] for row in ROWS), reverse=True)[:20]


def test_a_count_is_enough_and_not_everything(source: Source) -> None:
    table = read(source, ReadRequest("orders", count=30))
    assert 30 <= len(table) < len(ROWS) or source.kind == "files"


def test_rows_after_the_cursor_are_never_missed(source: Source) -> None:
    table = read(source, ReadRequest("orders", after=("created_at", "2024-01-20T00:00:00")))
    wanted = {row["id"] for row in ROWS if row["created_at"] > "2024-01-20T00:00:00"}
    assert wanted <= set(table["id"].to_pylist())


def test_an_empty_resource_gives_no_rows(source: Source) -> None:
    assert sum(len(table) for table in source.read(ReadRequest("nothing"), silent)) == 0


def test_peek_gives_a_few_rows(source: Source) -> None:
    assert len(source.peek("orders", 7)) == 7


def test_an_unknown_resource_gets_the_nearest_name(source: Source) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'orders'"):
        list(source.read(ReadRequest("order"), silent))


def test_a_reader_may_stop_early(source: Source) -> None:
    batches = iter(source.read(ReadRequest("orders"), silent))
    next(batches)
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "config", "text"), [(k, c, t) for k in kinds() for c, t in BAD_CONFIGS[k]])
def test_a_bad_config_is_named_with_its_mend(kind: str, config: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as caught:
        open_source("shop", {"kind": kind, **config}, tmp_path)
    assert text in str(caught.value) and "[sources.shop]" in str(caught.value)


@pytest.mark.parametrize("kind", kinds())
def test_a_kind_describes_itself(kind: str) -> None:
    found = source_class(kind)
    assert found.kind == kind and found.summary and f'kind = "{kind}"' in found.example and found.settings


def test_an_unknown_kind_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="Did you mean 'files'"):
        open_source("shop", {"kind": "file"}, tmp_path)


def test_a_source_without_a_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="needs a `kind`"):
        open_source("shop", {}, tmp_path)


@pytest.mark.parametrize("limit", ["requests_per_second", "rows_per_second"])
def test_a_limit_may_be_lowered_later(limit: str, tmp_path: Path) -> None:
    config: dict[str, Any] = {"kind": "rest", "url": "http://127.0.0.1:1", "limits": {}}
    source = open_source("shop", config, tmp_path)
    config["limits"][limit] = 5
    assert source.limit(limit) == 5.0
    config["limits"][limit] = "many"
    with pytest.raises(IntendantError, match="number above 0"):
        source.limit(limit)
