"""Files on S3-compatible storage, in and out, against moto's server; and files behind http(s)."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.servers.s3 import Storage, storage

from intendant.app import Intendant
from intendant.errors import (
    IntendantError,
    PathRefused,
    SourceDamaged,
    SourceOverloaded,
    SourceRefused,
    SourceUnreachable,
    WorkspaceError,
)
from intendant.objects.addresses import as_folder, covers, pattern_of
from intendant.sources import open_source
from intendant.sources.base import Source
from intendant.types import ReadRequest

SECRET = "a-secret-key-that-nobody-may-see"
FEW = {"attempts": 4, "total_seconds": 10, "first_delay": 0.01, "longest_delay": 0.05}


@pytest.fixture(scope="module")
def s3() -> Iterator[Storage]:
    with storage() as started:
        yield started


@pytest.fixture(autouse=True)
def no_keys_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


def source(s3: Storage, path: str, root: Path, **more: Any) -> Source:
    config = {"kind": "files", "path": path, "endpoint": s3.endpoint, "region": "us-east-1", "access_key": "an-access-key",
              "secret_key": SECRET, "retries": FEW, **more}
    return open_source("drops", config, root)


def read(opened: Source, resource: str, told: list[Any] | None = None, **request: Any) -> pa.Table:
    def notify(kind: str, data: Any) -> None:
        if told is not None and kind != "source.progress":
            told.append(kind)

    return pa.concat_tables(opened.read(ReadRequest(resource, **request), notify), promote_options="permissive")


def test_a_glob_is_one_resource_and_a_folder_has_one_for_each_file_and_sub_folder(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    s3.put(bucket, **{"in/a.csv": "id,v\n1,x\n", "in/b.csv": "id,v\n2,y\n", "in/days/1.csv": "id\n3\n", "in/days/2.csv": "id\n4\n",
                      "in/note.pdf": "no", "in/.hidden.csv": "id\n9\n", "other/c.csv": "id\n5\n"})
    glob = source(s3, f"s3://{bucket}/in/*.csv", tmp_path, resources={"all": {"path": "[ab].csv"}})
    assert read(glob, "all")["id"].to_pylist() == [1, 2]
    for path in (f"s3://{bucket}/in/", f"s3://{bucket}/in"):
        folder = source(s3, path, tmp_path)
        assert {r.name for r in folder.resources()} == {"a", "b", "days"}
        assert read(folder, "days")["id"].to_pylist() == [3, 4]
    assert read(source(s3, f"s3://{bucket}/in/a.csv", tmp_path), "a").to_pylist() == [{"id": 1, "v": "x"}]
    assert read(source(s3, f"s3://{bucket}/**/[12c].csv", tmp_path), "12c")["id"].to_pylist() == [3, 4, 5]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "json", "jsonl", "jsonl.gz", "parquet"])
def test_each_format_comes_with_its_values(s3: Storage, tmp_path: Path, suffix: str) -> None:
    bucket, file = s3.bucket(), tmp_path / f"a.{suffix}"
    shape = {"csv": "FORMAT csv", "json": "FORMAT json, ARRAY true", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}
    packed = ", COMPRESSION gzip" if suffix.endswith(".gz") else ""
    duckdb.execute(f"COPY (SELECT i AS id, 'x' || i AS \"two words\" FROM range(3000) t(i)) TO '{file}' "
                   f"({shape[suffix.partition('.')[0]]}{packed})")
    s3.put(bucket, **{f"in/a.{suffix}": file.read_bytes()})
    opened = source(s3, f"s3://{bucket}/in/", tmp_path)
    assert read(opened, "a").to_pylist() == [{"id": i, "two words": f"x{i}"} for i in range(3000)]
    newest = read(opened, "a", count=5, order="latest", by="id")
    assert {2999, 2998, 2997, 2996, 2995} <= set(newest["id"].to_pylist())


def test_names_with_spaces_and_any_letter_are_read(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    names = ["in/á b+c%20.csv", "in/q?#&=.csv", "in/日本 🙂.csv", "in/it's \"x\".csv", "in/back\\slash.csv"]
    s3.put(bucket, **{name: f"id\n{i}\n" for i, name in enumerate(names)})
    assert sorted(read(source(s3, f"s3://{bucket}/in/*.csv", tmp_path), "files")["id"].to_pylist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("key", ["in/../x.csv", "in/./x.csv", "in//x.csv"])
def test_a_hostile_name_is_refused_and_writes_nowhere(s3: Storage, tmp_path: Path, key: str) -> None:
    bucket = s3.bucket()
    s3.put(bucket, **{key: "id\n1\n"})
    with pytest.raises(SourceRefused, match=r"can't be read safely"):
        read(source(s3, f"s3://{bucket}/in/**/*.csv", tmp_path), "files")
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_page_of_objects_is_listed_whole(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    s3.put_many(bucket, {f"in/{i:04d}.jsonl": f'{{"id": {i}}}\n'.encode() for i in range(1100)})
    s3.seen.clear()
    table = read(source(s3, f"s3://{bucket}/in/[01]0[0-9]0.jsonl", tmp_path), "0100-90")
    assert table["id"].to_pylist() == [*range(0, 100, 10), *range(1000, 1100, 10)]
    assert sum("list-type=2" in request for request in s3.seen) == 2


def test_a_count_fetches_no_more_objects_than_it_needs(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    s3.put(bucket, **{f"in/{i}.csv": f"id\n{i}\n" for i in range(9)})
    opened = source(s3, f"s3://{bucket}/in/*.csv", tmp_path)
    s3.seen.clear()
    assert opened.peek("files", 1).to_pylist() == [{"id": 0}]
    assert sum(request.startswith("GET") and ".csv" in request for request in s3.seen) == 1


def test_an_overload_is_waited_out_and_told(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    s3.put(bucket, **{"in/a.csv": "id\n1\n"})
    left = {"list-type": 2, "a.csv": 2}

    def slow(method: str, path: str) -> tuple[int, str] | None:
        for mark, n in left.items():
            if mark in path and n:
                left[mark] -= 1
                return 503, "SlowDown"
        return None

    told: list[Any] = []
    with s3.failing(slow):
        opened = source(s3, f"s3://{bucket}/in/*.csv", tmp_path, resources={"a": {"path": "*.csv"}})
        assert read(opened, "a", told)["id"].to_pylist() == [1]
    assert told.count("source.throttled") == 4 and told.count("source.retried") == 4


@pytest.mark.parametrize(("status", "code", "error", "says"), [
    (503, "SlowDown", SourceOverloaded, "asks to slow down"), (500, "InternalError", SourceUnreachable, "not reachable"),
    (403, "AccessDenied", SourceRefused, "is denied"), (403, "InvalidAccessKeyId", SourceRefused, "access key is not known"),
    (403, "SignatureDoesNotMatch", SourceRefused, "secret key doesn't fit"), (403, "ExpiredToken", SourceRefused, "has expired"),
    (301, "PermanentRedirect", SourceRefused, "another region"), (403, "RequestTimeTooSkewed", SourceRefused, "clock is wrong"),
])
def test_a_refusal_says_what_where_and_the_mend_but_no_secret(
        s3: Storage, tmp_path: Path, status: int, code: str, error: type[IntendantError], says: str) -> None:
    bucket = s3.bucket()
    with s3.failing(lambda method, path: (status, code)), pytest.raises(error, match=says) as caught:
        read(source(s3, f"s3://{bucket}/in/*.csv", tmp_path), "files")
    assert f"s3://{bucket}" in caught.value.where and caught.value.hint
    assert SECRET not in str(caught.value) and "an-access-key" not in str(caught.value)


def test_a_missing_bucket_a_closed_door_and_missing_keys_are_named(s3: Storage, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"There is no bucket 'no-such-bucket'"):
        read(source(s3, "s3://no-such-bucket/in/*.csv", tmp_path), "files")
    with pytest.raises(SourceUnreachable, match="not reachable"):
        read(source(s3, "s3://bucket/in/*.csv", tmp_path, endpoint="http://127.0.0.1:1"), "files")
    with pytest.raises(WorkspaceError, match=r"needs access_key.*AWS_ACCESS_KEY_ID"):
        read(source(s3, "s3://bucket/in/*.csv", tmp_path, access_key="", secret_key=""), "files")
    with pytest.raises(SourceRefused, match="No file for the resource"):
        read(source(s3, f"s3://{s3.bucket()}/in/", tmp_path, resources={"a": {"path": "a.csv"}}), "a")


@pytest.mark.parametrize(("config", "says"), [
    ({"path": "s3://UPPER/x.csv"}, "no address"), ({"path": "s3://bucket/../x.csv"}, "empty part"),
    ({"path": "ftp://host/x.csv"}, "no kind of address"), ({"path": "drops/", "writable": True}, "path on S3 storage"),
    ({"path": "s3://bucket/x/", "writable": "yes"}, "true or false"), ({"path": "s3://bucket/x/", "acces_key": "x"}, "'access_key'"),
])
def test_a_bad_setting_is_named(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    with pytest.raises(WorkspaceError, match=says):
        open_source("drops", {"kind": "files", **config}, tmp_path)


def test_the_standard_variables_are_used_when_no_key_is_written(s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.bucket()
    s3.put(bucket, **{"a.csv": "id\n1\n"})
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL_S3", s3.endpoint)):
        monkeypatch.setenv(name, value)
    opened = open_source("drops", {"kind": "files", "path": f"s3://{bucket}/a.csv"}, tmp_path)
    assert read(opened, "a")["id"].to_pylist() == [1]


def test_an_object_that_vanishes_after_it_was_listed_is_an_error(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    s3.put(bucket, **{"in/a.csv": "id\n1\n", "in/b.csv": "id\n2\n"})

    def gone(method: str, path: str) -> None:
        if method == "GET" and "a.csv" in path:
            s3.client.delete_object(Bucket=bucket, Key="in/b.csv")

    with s3.failing(gone), pytest.raises(SourceRefused, match=r"not there \(any more\)") as caught:
        read(source(s3, f"s3://{bucket}/in/*.csv", tmp_path), "files")
    assert caught.value.where == f"s3://{bucket}/in/b.csv" and "run it again" in caught.value.hint


def test_an_object_that_changes_while_it_is_read_is_read_again_whole(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    old, new = ("".join(f"{i},{v}\n" for i in range(1_500_000)) for v in "ab")
    s3.put(bucket, **{"in/a.csv": f"id,v\n{old}"})
    gets: list[str] = []

    def changed(method: str, path: str) -> None:
        if method == "GET" and "a.csv" in path:
            gets.append(path)
            if len(gets) == 2:  # the second part of it
                s3.put(bucket, **{"in/a.csv": f"id,v\n{new}"})

    told: list[Any] = []
    with s3.failing(changed):
        table = read(source(s3, f"s3://{bucket}/in/a.csv", tmp_path), "a", told)
    assert set(table["v"].to_pylist()) == {"b"} and len(table) == 1_500_000 and told == ["source.retried"]


def test_an_object_that_never_stands_still_is_an_error(s3: Storage, tmp_path: Path) -> None:
    bucket, number = s3.bucket(), iter(range(1000, 9000))
    s3.put(bucket, **{"in/a.csv": "id\n1\n"})

    def changed(method: str, path: str) -> None:
        if method == "GET" and "a.csv" in path:
            s3.put(bucket, **{"in/a.csv": f"id\n{next(number)}\n"})

    with s3.failing(changed), pytest.raises(SourceDamaged, match="changed while it was read"):
        read(source(s3, f"s3://{bucket}/in/a.csv", tmp_path), "a")


def test_globs_stay_within_a_folder_and_writing_within_a_path() -> None:
    import re

    matches = {("in/*.csv", "in/a.csv"): True, ("in/*.csv", "in/b/a.csv"): False, ("in/**/*.csv", "in/b/c/a.csv"): True,
               ("in/**/*.csv", "in/a.csv"): True, ("in/a?.csv", "in/ab.csv"): True, ("in/[!a].csv", "in/a.csv"): False,
               ("in/[^].csv", "in/^.csv"): True, ("in/a.csv", "in/aXcsv"): False}
    assert {pair: bool(re.fullmatch(pattern_of(pair[0]), pair[1])) for pair in matches} == matches
    assert as_folder("s3://b-c/in") == "s3://b-c/in/" and as_folder("s3://bucket") == "s3://bucket/"
    assert covers("s3://b-c/out", "s3://b-c/out/x.csv") and not covers("s3://b-c/out", "s3://b-c/outer/x.csv")
    assert not covers("s3://b-c/out/", "s3://b-d/out/x.csv") and covers("s3://b-c/out/*.csv", "s3://b-c/out/y/x.csv")


@pytest.fixture
def shop(s3: Storage, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Intendant, str]]:
    """A workspace with `orders`, whose source `out` may be written and `inbox` only read."""
    bucket = s3.bucket()
    monkeypatch.setenv("S3_SECRET", SECRET)
    for name, more in (("out", "writable = true"), ("inbox", "")):
        with (workspace / "intendant.toml").open("a") as file:
            file.write(f'\n[sources.{name}]\nkind = "files"\npath = "s3://{bucket}/{name}/"\nendpoint = "{s3.endpoint}"\n'
                       f'access_key = "an-access-key"\nsecret_key = "${{S3_SECRET}}"\n{more}\n'
                       "retries = { attempts = 3, first_delay = 0.01 }\n")
    with Intendant(workspace) as app:
        app.load(workspace / "orders.csv", "orders")
        yield app, bucket


@pytest.mark.parametrize("name", ["orders.parquet", "a b/órders 🙂.jsonl"])
def test_a_table_goes_out_and_comes_back_the_same(shop: tuple[Intendant, str], s3: Storage, name: str) -> None:
    app, bucket = shop
    result = app.do(f"export orders to 's3://{bucket}/out/{name}'", approve=True)
    assert result.status == "succeeded", result.error
    assert s3.keys(bucket) == [f"out/{name}"]
    resource = "a b" if "/" in name else "orders"
    back = app.do(f'ingest out."{resource}" into back' if "/" in name else "ingest out.orders into back", approve=True)
    assert back.status == "succeeded", back.error
    sql = "SELECT order_id, region, status, amount, quantity, customer_id, created_at FROM {} ORDER BY order_id"
    assert app.sql(sql.format("back"))["rows"] == app.sql(sql.format("orders"))["rows"]


@pytest.mark.parametrize(("target", "says"), [
    ("s3://BUCKET/inbox/x.csv", "no source that may be written"), ("s3://BUCKET/outer/x.csv", "no source that may be written"),
    ("s3://another-bucket/out/x.csv", "no source that may be written"), ("s3://BUCKET/out/../inbox/x.csv", "'..'"),
    ("https://host/x.csv", "no place to export to"), ("s3://BUCKET/out/*.csv", "no single object"),
])
def test_nothing_is_written_outside_of_what_is_declared(shop: tuple[Intendant, str], s3: Storage, target: str, says: str) -> None:
    app, bucket = shop
    result = app.do(f"export orders to '{target.replace('BUCKET', bucket)}'", approve=True)
    assert result.status == "failed" and result.error and says in result.error["message"] and result.error["hint"]
    assert s3.keys(bucket) == []


def test_a_failing_upload_leaves_the_old_object_and_shows_no_secret(shop: tuple[Intendant, str], s3: Storage) -> None:
    app, bucket = shop
    s3.put(bucket, **{"out/x.csv": "old"})
    with s3.failing(lambda method, path: (503, "SlowDown") if method == "PUT" else None):
        result = app.do(f"export orders to 's3://{bucket}/out/x.csv'", approve=True)
    assert result.status == "failed" and result.error and SECRET not in str(result)
    assert s3.get(bucket, "out/x.csv") == b"old"


def test_a_large_upload_that_breaks_off_leaves_the_old_object(s3: Storage, tmp_path: Path) -> None:
    bucket = s3.bucket()
    s3.put(bucket, **{"out/x.bin": "old"})
    (tmp_path / "x.bin").write_bytes(bytes(range(256)) * 4096 * 11)
    opened: Any = source(s3, f"s3://{bucket}/out/", tmp_path, writable=True, retries={"attempts": 1})
    parts: list[str] = []

    def broken(method: str, path: str) -> tuple[int, str] | None:
        if method == "PUT" and "partNumber=2" in path:
            parts.append(path)
            return 500, "InternalError"
        return None

    with s3.failing(broken), pytest.raises(SourceUnreachable):
        opened.put(tmp_path / "x.bin", f"s3://{bucket}/out/x.bin", lambda kind, data: None)
    assert s3.get(bucket, "out/x.bin") == b"old" and parts
    opened.put(tmp_path / "x.bin", f"s3://{bucket}/out/x.bin", lambda kind, data: None)
    assert s3.get(bucket, "out/x.bin") == (tmp_path / "x.bin").read_bytes()
    assert [key for key in s3.keys(bucket) if not key.endswith("/")] == ["out/x.bin"]
    with pytest.raises(PathRefused):
        opened.put(tmp_path / "x.bin", f"s3://{bucket}/in/x.bin", lambda kind, data: None)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        tries = 0

        def do_GET(self) -> None:
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", "http://example.invalid/x.csv" if "away" in self.path else "/a.csv")
                self.end_headers()
            elif self.path.startswith("/busy") and Quiet.tries < 2:
                Quiet.tries += 1
                self.send_error(503)
            else:
                self.path = self.path.replace("/busy", "/a")
                super().do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    (tmp_path / "a.csv").write_text("id,v\n1,x\n2,y\n")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"id\n7\n"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("path", "name", "ids"), [
    ("a.csv", "a", [1, 2]), ("b.csv.gz", "b", [7]), ("a.csv?token=hush", "a", [1, 2]), ("moved.csv", "moved", [1, 2]),
    ("busy.csv", "busy", [1, 2]),
])
def test_a_file_behind_an_address_is_read(web: str, tmp_path: Path, path: str, name: str, ids: list[int]) -> None:
    opened = open_source("drops", {"kind": "files", "path": f"{web}/{path}", "retries": FEW}, tmp_path)
    assert [r.name for r in opened.resources()] == [name]
    assert read(opened, name)["id"].to_pylist() == ids


@pytest.mark.parametrize(("path", "error", "says"), [
    ("none.csv?token=hush", SourceRefused, "status 404"), ("moved.csv?away", SourceRefused, "at another place"),
])
def test_an_address_that_gives_no_file_says_why(web: str, tmp_path: Path, path: str, error: type[IntendantError], says: str) -> None:
    opened = open_source("drops", {"kind": "files", "path": f"{web}/{path}", "retries": FEW}, tmp_path)
    with pytest.raises(error, match=says) as caught:
        read(opened, path.partition(".")[0])
    assert "hush" not in str(caught.value)


def test_a_resource_beside_the_address_is_read_and_one_elsewhere_is_not(web: str, tmp_path: Path) -> None:
    config = {"kind": "files", "path": f"{web}/a.csv", "resources": {"b": {"path": "b.csv.gz"}, "c": {"path": "//host/c.csv"}}}
    opened = open_source("drops", config, tmp_path)
    assert read(opened, "b")["id"].to_pylist() == [7]
    with pytest.raises(PathRefused, match="leads out"):
        read(opened, "c")
