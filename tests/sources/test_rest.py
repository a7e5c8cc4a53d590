"""REST sources against a real server: every way of paging, and what goes wrong on the way."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.servers.rest import STYLES, Answer, Collection, Request, RestServer, gzip_bomb

from intendant.errors import (
    IntendantError,
    SourceDamaged,
    SourceLoop,
    SourceOverloaded,
    SourceRefused,
    SourceTooLarge,
    SourceUnreachable,
)
from intendant.sources import open_source
from intendant.types import ReadRequest

ROWS = [{"id": i, "amount": i / 4, "created_at": f"2024-{i % 12 + 1:02d}-{i % 28 + 1:02d}T10:00:00Z",
         "who": {"name": f"n{i}", "tags": ["a", "b"]}} for i in range(430)]
QUICK = {"first_delay": 0.01, "longest_delay": 0.02, "attempts": 3}


class Heard:
    """Collects what a source tells."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def __call__(self, kind: str, data: Any) -> None:
        self.told.append((kind, data))

    def of(self, kind: str) -> list[Any]:
        return [data for told, data in self.told if told == kind]


def read(api: RestServer, request: ReadRequest | None = None, heard: Heard | None = None, **config: Any) -> pa.Table:
    resource = config.pop("resource", {})
    whole = {"kind": "rest", "url": api.url, "resources": {"orders": resource}, "retries": QUICK, **config}
    batches = open_source("shop", whole, Path()).read(request or ReadRequest("orders"), heard or Heard())
    return pa.concat_tables(batches, promote_options="permissive")


def orders(rows: Any = ROWS, style: str = "page", **more: Any) -> dict[str, Collection]:
    return {"/orders": Collection(rows, style, **more)}


def body(*rows: str) -> Answer:
    return Answer(200, ('{"data": [' + ", ".join(rows) + "]}").encode("utf-8", "surrogateescape"))


def once(answer: Answer, times: int = 1) -> Callable[[Request, int], Answer | None]:
    return lambda request, number: answer if number <= times else None


def always(answer: Answer) -> Callable[[Request, int], Answer | None]:
    return lambda request, number: answer


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 430])
def test_every_way_of_paging_gives_each_row_once(style: str, rows: int) -> None:
    with RestServer(orders(ROWS[:rows], style)) as api:
        table = read(api) if rows else pa.concat_tables(
            [pa.table({"id": []}), *open_source("s", {"kind": "rest", "url": api.url, "resources": {"orders": {}}},
                                                Path()).read(ReadRequest("orders"), Heard())],
            promote_options="permissive")
    assert sorted(table["id"].to_pylist()) == list(range(rows))


@pytest.mark.parametrize("wrap", ["data", "items", "results", "value", "orders", "stuff"])
def test_rows_are_found_under_any_name(wrap: str) -> None:
    with RestServer(orders(wrap=wrap)) as api:
        assert len(read(api)) == len(ROWS)


def test_rows_deep_in_the_answer_are_found() -> None:
    page = json.dumps({"status": {"errors": []}, "response": {"orders": ROWS[:5], "n": 5}}).encode()
    with RestServer({}, fault=always(Answer(200, page))) as api:
        assert read(api).to_pylist()[4]["id"] == 4


def test_an_array_beside_the_rows_does_not_confuse_the_split() -> None:
    page = json.dumps({"meta": {"data": [1]}, "data": ROWS[:5], "links": [{"rel": "a]"}], "warnings": []}).encode()
    with RestServer({}, fault=always(Answer(200, page))) as api:
        assert read(api)["id"].to_pylist() == [0, 1, 2, 3, 4]


def test_nested_data_stays_nested() -> None:
    with RestServer(orders()) as api:
        schema = read(api).schema
    assert pa.types.is_struct(schema.field("who").type)
    assert pa.types.is_list(schema.field("who").type.field("tags").type)


def test_the_latest_rows_come_without_reading_everything_where_the_server_sorts() -> None:
    with RestServer(orders(sort=True)) as api:
        table = read(api, ReadRequest("orders", count=50, order="latest", by="created_at"))
        assert len(table) < len(ROWS) and len(api.log) <= 4
    assert max(table["created_at"].to_pylist()) == datetime(2024, 12, 28, 10)


def test_everything_is_read_where_the_server_does_not_sort() -> None:
    with RestServer(orders()) as api:
        assert len(read(api, ReadRequest("orders", count=50, order="latest", by="created_at"))) == len(ROWS)


def test_a_sort_that_holds_on_the_first_page_only_is_not_believed() -> None:
    with RestServer(orders(sort=True)) as api:
        proper = api.answer

        def later_pages_unsorted(request: Request) -> Answer:
            if int(request.query.get("page", 1)) > 1:
                request = Request(request.path, {"page": request.query["page"]}, request.headers)
            return proper(request)

        api.answer = later_pages_unsorted  # type: ignore[method-assign]
        heard = Heard()
        read(api, ReadRequest("orders", count=200, order="latest", by="created_at"), heard)
        assert {r.query.get("page") for r in api.log} >= {"2", "3", "4", "5"}


def test_a_declared_since_parameter_takes_the_cursor() -> None:
    rows = [{"id": i, "updated_at": f"2024-01-{i + 1:02d}"} for i in range(20)]
    with RestServer(orders(rows, since="updated_since")) as api:
        request = ReadRequest("orders", after=("updated_at", "2024-01-15"))
        table = read(api, request, resource={"since_param": "updated_since"})
        assert table["id"].to_pylist() == [15, 16, 17, 18, 19]


@pytest.mark.parametrize(("auth", "seen"), [
    ({"bearer": "s3cret"}, lambda r: r.headers.get("Authorization") == "Bearer s3cret"),
    ({"basic": {"user": "u", "password": "p"}}, lambda r: r.headers.get("Authorization") == "Basic dTpw"),
    ({"api_key": {"header": "X-Key", "value": "s3cret"}}, lambda r: r.headers.get("X-Key") == "s3cret"),
    ({"api_key": {"query": "key", "value": "s3cret"}}, lambda r: r.query.get("key") == "s3cret"),
])
def test_every_request_is_signed(auth: dict[str, Any], seen: Callable[[Request], bool]) -> None:
    with RestServer(orders(), require=seen) as api:
        assert len(read(api, auth=auth)) == len(ROWS)


def test_a_refusal_names_the_mend_and_never_the_secret() -> None:
    said = Answer(401, b'{"error": "bad token s3cret"}')
    with RestServer({}, fault=always(said)) as api, pytest.raises(SourceRefused) as caught:
        read(api, auth={"api_key": {"query": "key", "value": "s3cret"}})
    assert "status 401" in str(caught.value) and "Check auth." in str(caught.value)
    assert "s3cret" not in str(caught.value) + repr(caught.value.facts) + caught.value.where


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_passing_failure_is_tried_again(status: int) -> None:
    heard = Heard()
    with RestServer(orders(), fault=once(Answer(status), 2)) as api:
        assert len(read(api, heard=heard)) == len(ROWS)
    assert [note["attempt"] for note in heard.of("source.retried")] == [1, 2]


def test_a_lasting_failure_ends_after_the_attempts() -> None:
    with RestServer({}, fault=always(Answer(500, b"boom"))) as api:
        with pytest.raises(SourceUnreachable, match="The source failed: status 500, 'boom'"):
            read(api)
        assert len(api.log) == 3


def test_a_404_is_not_tried_again() -> None:
    with RestServer({}) as api:
        with pytest.raises(SourceRefused, match="Check the path of the resource"):
            read(api)
        assert len(api.log) == 1


@pytest.mark.parametrize("header", ["0.3", "date"])
def test_retry_after_is_honoured(header: str) -> None:
    value = format_datetime(datetime.now(UTC) + timedelta(seconds=1.4)) if header == "date" else header
    heard, start = Heard(), time.monotonic()
    with RestServer(orders(), fault=once(Answer(429, headers={"Retry-After": value}))) as api:
        assert len(read(api, heard=heard)) == len(ROWS)
    assert time.monotonic() - start >= 0.3
    assert heard.of("source.throttled")[0]["wait_seconds"] >= 0.3


def test_a_wait_longer_than_the_budget_ends_at_once_and_says_how_long() -> None:
    with RestServer({}, fault=always(Answer(429, headers={"Retry-After": "3600"}))) as api:
        with pytest.raises(SourceOverloaded, match="slow down: status 429") as caught:
            read(api, retries={"total_seconds": 5})
        assert caught.value.retry_after == 3600 and len(api.log) == 1


def test_nobody_listening_is_unreachable() -> None:
    with RestServer({}) as api:
        pass
    with pytest.raises(SourceUnreachable, match="No connection to the source: ConnectionRefusedError"):
        read(api)


def test_a_server_that_hangs_is_left() -> None:
    with (RestServer({}, fault=always(Answer(hang=30))) as api,
          pytest.raises(SourceUnreachable, match="did not answer in time")):
        read(api, timeouts={"read": 0.1}, retries={"attempts": 1})


def test_a_truncated_body_is_tried_again_and_then_damaged() -> None:
    short = Answer(200, b'{"data": [{"id": 1}', length=500)
    with RestServer(orders(), fault=once(short)) as api:
        assert len(read(api)) == len(ROWS)
    with RestServer({}, fault=always(short)) as api, pytest.raises(SourceDamaged, match="broke off"):
        read(api)


@pytest.mark.parametrize(("text", "said"), [
    (b'{"data": [{"id": 1}, {"id"', "broken JSON"), (b"<html>login</html>", "not JSON: it starts with b'<html>"),
    (b"", "empty"), (b'[{"id": 1}', "broke off"),
])
def test_a_body_that_is_no_json_is_damaged(text: bytes, said: str) -> None:
    with RestServer({}, fault=always(Answer(200, text))) as api, pytest.raises(SourceDamaged) as caught:
        read(api)
    assert said in str(caught.value)


def test_a_later_page_without_rows_is_not_taken_for_the_end() -> None:
    def broken(request: Request, number: int) -> Answer | None:
        return Answer(200, b'{"error": "quota"}') if request.query.get("page") == "3" else None

    with RestServer(orders(), fault=broken) as api, pytest.raises(SourceDamaged, match="no list of rows under 'data'"):
        read(api)


@pytest.mark.parametrize("style", ["link", "next_url", "odata", "cursor"])
def test_a_source_that_goes_in_a_circle_is_stopped(style: str) -> None:
    with RestServer(orders(style=style)) as api:
        proper = api.answer

        def stuck(request: Request) -> Answer:
            page = "2" if request.query.get("page") == "3" else request.query.get("page")
            cursor = "c100" if request.query.get("cursor") == "c200" else request.query.get("cursor")
            query = {k: v for k, v in (("page", page), ("cursor", cursor)) if v}
            return proper(Request(request.path, query, request.headers))

        api.answer = stuck  # type: ignore[method-assign]
        with pytest.raises(SourceLoop, match="goes in a circle"):
            read(api)
        assert len(api.log) < 12


def test_a_next_address_on_another_host_is_refused() -> None:
    page = Answer(200, b'{"data": [{"id": 1}], "next": "http://169.254.169.254/latest"}')
    with (RestServer({}, fault=always(page)) as api,
          pytest.raises(SourceRefused, match=r"points to another place, 'http://169\.254\.169\.254/latest'")):
        read(api)


@pytest.mark.parametrize("address", ["http://localhost:1/orders", "file:///etc/passwd", "//evil.example/x"])
def test_a_redirect_elsewhere_is_refused(address: str) -> None:
    with (RestServer({}, fault=always(Answer(302, headers={"Location": address}))) as api,
          pytest.raises(SourceRefused, match="points to another place")):
        read(api)


def test_a_redirect_on_the_same_host_is_followed_but_not_for_ever() -> None:
    def moved(request: Request, number: int) -> Answer | None:
        return Answer(301, headers={"Location": "/v2/orders"}) if request.path == "/orders" else None

    with RestServer({"/v2/orders": Collection(ROWS, "all")}, fault=moved) as api:
        assert len(read(api)) == len(ROWS)
    with (RestServer({}, fault=always(Answer(302, headers={"Location": "/orders"}))) as api,
          pytest.raises(SourceRefused, match="redirects")):
        read(api)


def test_a_page_above_the_cap_is_too_large() -> None:
    with RestServer(orders(style="all")) as api, pytest.raises(SourceTooLarge, match="larger than 1000 bytes"):
        read(api, max_page_bytes=1000)


def test_a_gzip_bomb_is_stopped_at_the_cap() -> None:
    with (RestServer({}, fault=always(gzip_bomb(32 << 20))) as api,
          pytest.raises(SourceTooLarge, match="larger than 1048576 bytes")):
        read(api, max_page_bytes=1 << 20)


def test_a_packed_body_is_unpacked() -> None:
    packed = gzip.compress(json.dumps({"data": ROWS}).encode())
    with RestServer({}, fault=always(Answer(200, packed, {"Content-Encoding": "gzip"}))) as api:
        assert len(read(api)) == len(ROWS)


def test_more_rows_than_allowed_are_too_many() -> None:
    with RestServer(orders()) as api, pytest.raises(SourceTooLarge, match="More than 150 rows"):
        read(api, max_rows=150)


GOOD = [f'{{"id": {i}, "v": 1.5, "t": "x"}}' for i in range(20)]


@pytest.mark.parametrize(("poison", "reason"), [
    ('{"id": 99, "v": NaN}', "NaN is no JSON number"),
    ('{"id": 99, "v": -Infinity}', "-Infinity is no JSON number"),
    ('{"id": 99, "v": 1e400}', "1e400 is too large"),
    ('{"id": 99, "v": 1' + "0" * 400 + "}", "is too large"),
    ('{"id": 99, "t": "a\\u0000b"}', "NUL character"),
    ('{"id": 99, "t": "a\x00b"}', "not JSON: Invalid control character"),
    ('{"id": 99, "t": "\udcff"}', "invalid UTF-8"),
    ('{"id": 99, "t": "\\ud800"}', "surrogate"),
    ('{"id": 99, "v": 01}', "not JSON"),
    ('{"id": 99, "id": 98}', "comes twice"),
    ("null", "not an object but NoneType"),
    ("7", "not an object but int"),
    ('{"id": 99, "v": ' + "[" * 5000 + "]" * 5000 + "}", "nested deeper"),
])
def test_a_poison_row_is_rejected_and_the_others_load(poison: str, reason: str) -> None:
    heard = Heard()
    with RestServer({}, fault=always(body(*GOOD, poison))) as api:
        table = read(api, heard=heard)
    assert table["id"].to_pylist() == list(range(20))
    (note,) = heard.of("source.row_rejected")
    assert reason in note["reason"] and note["raw"] and len(note["raw"]) <= 2000


def test_a_page_with_more_than_a_tenth_of_poison_is_damaged() -> None:
    with (RestServer({}, fault=always(body(*GOOD, *['{"id": NaN}'] * 4))) as api,
          pytest.raises(SourceDamaged, match="4 of 24 rows of a page can't be read")):
        read(api)


@pytest.mark.parametrize(("cells", "values"), [
    (["1", "2", '"x"'], ["1", "2", "x"]),
    (["9007199254740993", "1", "2"], [9007199254740993, 1, 2]),
    (["123456789012345678901234567890123456789012", "1", "2"],
     ["123456789012345678901234567890123456789012", "1", "2"]),
    (["true", "1", '{"a": 1}'], ["true", "1", '{"a":1}']),
    (['"2024-01-01T10:00:00Z"', '"2024-01-01T12:00:00+02:00"', "null"],
     [datetime(2024, 1, 1, 10), datetime(2024, 1, 1, 10), None]),
    (['"2024-01-01"', '"n/a"', "null"], ["2024-01-01", "n/a", None]),
    (['"007"', '"1"', "null"], ["007", "1", None]),
    (['"550E8400-E29B-41D4-A716-446655440000"', "null", "null"], ["550E8400-E29B-41D4-A716-446655440000", None, None]),
    (['"10:00:00"', "null", "null"], ["10:00:00", None, None]),
    (["18446744073709551615", "1", "2"], [18446744073709551615, 1, 2]),
])
def test_no_value_is_lost_or_bent_by_its_neighbours(cells: list[str], values: list[Any]) -> None:
    with RestServer({}, fault=always(body(*[f'{{"v": {cell}}}' for cell in cells]))) as api:
        assert read(api)["v"].to_pylist() == values


def test_names_that_differ_only_in_case_keep_their_values() -> None:
    with RestServer({}, fault=always(body('{"Name": 1, "name": 2}'))) as api:
        assert list(read(api).to_pylist()[0].values()) == [1, 2]


def test_resources_are_discovered_from_links_and_from_openapi() -> None:
    rows = [{"order_id": i, "created_at": "2024-01-01T00:00:00Z"} for i in range(3)]
    with RestServer(orders(rows, "all"), root={"orders": "/orders", "self": "/"}) as api:
        (found,) = open_source("shop", {"kind": "rest", "url": api.url}, Path()).resources()
        assert (found.name, found.key, found.timestamp) == ("orders", "order_id", "created_at")
    description = {"paths": {"/orders": {"get": {}}, "/orders/{id}": {"get": {}}, "/login": {"post": {}}}}
    with RestServer(orders(rows, "all"), openapi=description) as api:
        assert [r.name for r in open_source("shop", {"kind": "rest", "url": api.url}, Path()).resources()] == ["orders"]


def test_requests_keep_to_the_limit() -> None:
    with RestServer(orders(size=50)) as api:
        start = time.monotonic()
        read(api, limits={"requests_per_second": 20})
        assert time.monotonic() - start >= (len(api.log) - 1) / 20


def test_a_source_that_says_it_has_more_than_it_gave_is_told() -> None:
    heard = Heard()
    page = Answer(200, b'{"total": 10, "next": null, "data": [{"id": 1}]}')
    with RestServer({}, fault=always(page)) as api:
        read(api, heard=heard)
    assert heard.of("source.incomplete") == [{"rows": 1, "total": 10}]


def test_errors_are_of_one_tree() -> None:
    assert issubclass(SourceLoop, IntendantError)


def mixed(rows: list[dict[str, Any]], size: int = 100) -> list[str]:
    heard = Heard()
    with RestServer({"/orders": Collection(rows, "page", size)}) as api:
        source = open_source("shop", {"kind": "rest", "url": api.url, "resources": {"orders": {}}}, Path())
        assert sum(batch.num_rows for batch in source.read(ReadRequest("orders"), heard)) == len(rows)
    return [data["column"] for data in heard.of("source.mixed_column")]


def test_a_column_of_numbers_and_texts_is_reported_once() -> None:
    rows = [{"id": i, "price": i / 4, "name": str(i)} for i in range(430)]
    for i in (7, 250, 420):
        rows[i]["price"] = "n/a"
    assert mixed(rows) == ["price"]


@pytest.mark.parametrize("values", [
    ["007", "12", "5"], [1, 2.5, 3], [2**70, 1, 2.5], [True, "x"], [1, None], [7, "007"], [1, "12345678901234567890"],
    [1, 10**30, "x"], ["2024-01-01", "12"], [1, True], [1, {"a": "x"}], [[1], ["x"]],
])
def test_what_a_number_type_would_bend_or_is_of_one_kind_is_not_reported(values: list[Any]) -> None:
    assert mixed([{"id": i, "v": values[i % len(values)]} for i in range(60)]) == []


@pytest.mark.parametrize(("first", "second", "expected"), [(1, "n/a", ["v"]), ("n/a", 1.5, ["v"]), ("2024-01-01", 1, ["v"]),
                                                          (7, "007", []), ("007", 7, []), (1, 2.5, [])])
def test_numbers_in_one_batch_and_texts_in_a_later_one_are_mixed(
        first: Any, second: Any, expected: list[str]) -> None:
    rows = [{"id": i, "v": first if i < 60_000 else second} for i in range(120_000)]
    assert mixed(rows, 60_000) == expected
