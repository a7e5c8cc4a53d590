"""dlt's own sources and functions of the workspace, read without dlt's pipeline; nothing is written outside the workspace."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.servers.rest import Answer, Collection, RestServer

from intendant import Intendant
from intendant.errors import PathRefused, SourceDamaged, SourceError, SourceRefused, UnknownName, WorkspaceError
from intendant.sources import open_source
from intendant.sources.wire.dlt_errors import error_of, secrets_in
from intendant.types import ReadRequest

pytest.importorskip("dlt", reason="needs the extra dlt")

MODULE = """
import datetime, decimal
import dlt
import pyarrow as pa

SEEN = []

@dlt.resource(primary_key="id")
def events(since=dlt.sources.incremental("at", initial_value="2024-01-01T00:00:00Z")):
    SEEN.append(since.start_value)
    yield [{"id": i, "at": f"2024-01-{i:02d}T10:00:00Z", "nested": {"a": [i]}} for i in range(1, 29)]

@dlt.resource
def typed():
    yield {"id": 1, "price": decimal.Decimal("1.25"), "at": datetime.datetime(2024, 1, 1, 10), "raw": b"\\x00",
           "day": datetime.date(2024, 1, 2),
           "zoned": datetime.datetime(2024, 1, 1, 10, tzinfo=datetime.timezone(datetime.timedelta(hours=2))), "time": datetime.time(10, 30)}
    yield {"id": 2, "price": decimal.Decimal("10.5"), "late": "x"}

@dlt.resource
def tables():
    yield pa.table({"id": pa.array(range(250_000), pa.int32())})

@dlt.resource
def odd():
    yield {"id": 1}
    yield "not a row"
    yield [{"id": 2}, 7]

@dlt.resource
def breaks():
    yield [{"id": i} for i in range(20_000)]
    raise ValueError("token hunter22 at https://api/x?key=abc was not liked")

@dlt.resource(selected=False)
def parents():
    yield [{"id": 1}, {"id": 2}]

@dlt.transformer(data_from=parents)
def children(rows):
    yield [{"child": row["id"] * 10} for row in rows]

@dlt.source
def shop(token: str = dlt.secrets.value):
    return events, typed, tables, odd, breaks, parents, children

@dlt.resource
def single(n: int = 3):
    yield [{"n": i} for i in range(n)]

def plain():
    return 7
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "my_sources").mkdir()
    (tmp_path / "my_sources" / "shop.py").write_text(MODULE)
    return tmp_path


def shop(root: Path, function: str = "shop", **args: Any) -> Any:
    given = {"token": "hunter22"} if function == "shop" else {}
    return open_source(
        "shop", {"kind": "dlt", "source": f"my_sources/shop.py:{function}", "args": {**given, **args}}, root
    )


def read(source: Any, resource: str, rejected: list[Any] | None = None, **request: Any) -> pa.Table:
    def notify(kind: str, data: Any) -> None:
        if kind == "source.row_rejected":
            assert rejected is not None, data
            rejected.append(data)

    return pa.concat_tables(source.read(ReadRequest(resource, **request), notify), promote_options="permissive")


def test_a_source_of_the_workspace_offers_its_resources_with_key_and_cursor(root: Path) -> None:
    found = {r.name: (r.key, r.timestamp) for r in shop(root).resources()}
    assert found == {
        "events": ("id", "at"),
        "typed": (None, None),
        "tables": (None, None),
        "odd": (None, None),
        "breaks": (None, None),
        "children": (None, None),
    }
    assert [r.name for r in shop(root, "single").resources()] == ["single"]
    declared = open_source(
        "s", {"kind": "dlt", "source": "my_sources/shop.py:single", "resources": {"single": {"key": "n"}}}, root
    )
    assert declared.resources()[0].key == "n"


def test_records_keep_nesting_and_types(root: Path) -> None:
    row = read(shop(root), "events").to_pylist()[0]
    assert row == {"id": 1, "at": dt.datetime(2024, 1, 1, 10), "nested": {"a": [1]}}
    one, two = read(shop(root), "typed").to_pylist()
    assert one == {
        "id": 1,
        "price": Decimal("1.25"),
        "at": dt.datetime(2024, 1, 1, 10),
        "raw": b"\x00",
        "day": dt.date(2024, 1, 2),
        "zoned": dt.datetime(2024, 1, 1, 8, tzinfo=dt.UTC),
        "time": "10:30:00",
        "late": None,
    }
    assert two["price"] == Decimal("10.50") and two["late"] == "x"
    assert read(shop(root), "children").to_pylist() == [{"child": 10}, {"child": 20}]


def test_arrow_tables_come_straight_and_in_bounded_batches(root: Path) -> None:
    batches = list(shop(root).read(ReadRequest("tables"), lambda *_: None))
    assert [len(b) for b in batches] == [100_000, 100_000, 50_000] and batches[0].schema.field("id").type == pa.int32()


def test_a_cursor_becomes_dlts_incremental(root: Path) -> None:
    ids = read(shop(root), "events", after=("at", "2024-01-20 10:00:00"))["id"].to_pylist()
    assert ids == list(range(20, 29)) or ids == list(range(19, 29))
    held = [m for m in sys.modules.values() if getattr(m, "__file__", "") == str(root / "my_sources" / "shop.py")]
    assert held[0].SEEN[-1] == "2024-01-19T00:00:00Z"
    assert read(shop(root), "events").num_rows == 28, "a cursor of one read is not that of the next"
    assert read(shop(root), "events", after=("id", 5)).num_rows == 28, "another column is left to the caller"


def test_what_is_no_record_is_rejected(root: Path) -> None:
    rejected: list[Any] = []
    assert read(shop(root), "odd", rejected)["id"].to_pylist() == [1, 2]
    assert [r["reason"] for r in rejected] == ["a record is a str, not an object", "a record is a int, not an object"]


def test_an_error_of_the_function_comes_after_whole_batches_and_shows_no_secret(root: Path) -> None:
    batches = shop(root).read(ReadRequest("breaks"), lambda *_: None)
    next(batches)
    with pytest.raises(SourceDamaged, match="The dlt source failed: ValueError") as caught:
        list(batches)
    assert (
        "hunter22" not in str(caught.value)
        and "abc" not in str(caught.value)
        and "Look at the source's function" in caught.value.hint
    )


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        ("nope.py:x", WorkspaceError, r"no file 'nope.py'.*starts at the workspace"),
        ("my_sources/shop.py:shp", WorkspaceError, r"has no 'shp'.*Did you mean 'shop'"),
        ("my_sources/shop.py:plain", WorkspaceError, r"gives a int, no dlt source.*must return"),
        ("os:getcwd", WorkspaceError, r"is no dlt source.*@dlt.source"),
        ("nowhere.to_be:found", WorkspaceError, r"no module 'nowhere'.*Check source"),
        ("my_sources/shop.py:shop", WorkspaceError, r"can't be made from its args.*secrets as \${NAME}"),
    ],
)
def test_what_cannot_be_opened_says_the_mend(source: str, error: type[Exception], text: str, root: Path) -> None:
    with pytest.raises(error, match=text):
        open_source("shop", {"kind": "dlt", "source": source}, root).resources()


def test_wrong_arguments_and_unknown_resources_are_named(root: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"can't be made from its args.*unexpected keyword argument 'm'|argument"):
        shop(root, "single", m=1).resources()
    with pytest.raises(UnknownName, match="Did you mean 'events'"):
        read(shop(root), "event")
    with pytest.raises(UnknownName, match="no resource 'nope'"):
        open_source(
            "s", {"kind": "dlt", "source": "my_sources/shop.py:single", "resources": {"nope": {}}}, root
        ).resources()


def test_a_file_outside_the_workspace_is_refused(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "x.py"
    other.write_text(MODULE)
    (root / "link.py").symlink_to(other)
    for path in (str(other), "../other/x.py", "link.py"):
        with pytest.raises(PathRefused, match=r"leads out of the workspace.*Move the file"):
            open_source("s", {"kind": "dlt", "source": f"{path}:shop"}, root)


def test_a_changed_file_is_read_anew(root: Path) -> None:
    assert read(shop(root, "single"), "single").num_rows == 3
    path = root / "my_sources" / "shop.py"
    path.write_text(MODULE.replace("n: int = 3", "n: int = 5"))
    os.utime(path, ns=(1, 1))
    assert (
        read(shop(root, "single"), "single").num_rows == 5 and read(shop(root, "single", n=1), "single").num_rows == 1
    )


def rest(url: str, **more: Any) -> dict[str, Any]:
    endpoint = {
        "path": "orders",
        "data_selector": "data",
        "paginator": {"type": "json_link", "next_url_path": "next"},
        **more,
    }
    return {
        "kind": "dlt",
        "source": "dlt.sources.rest_api:rest_api_source",
        "args": {
            "config": {
                "client": {"base_url": url, "auth": {"type": "bearer", "token": "hunter22"}},
                "resources": [{"name": "orders", "primary_key": "id", "endpoint": endpoint}],
            }
        },
    }


def test_dlts_rest_source_asks_only_for_what_is_newer(root: Path) -> None:
    rows = [{"id": i, "updated_at": f"2024-01-{i:02d}T00:00:00Z"} for i in range(1, 29)]
    with RestServer({"/orders": Collection(rows, "next_url", 5, since="since")}) as api:
        config = rest(
            api.url,
            incremental={"start_param": "since", "cursor_path": "updated_at", "initial_value": "2000-01-01T00:00:00Z"},
        )
        source = open_source("s", config, root)
        assert [(r.key, r.timestamp) for r in source.resources()] == [("id", "updated_at")]
        assert read(source, "orders").num_rows == 28
        before = len(api.log)
        got = set(read(source, "orders", after=("updated_at", "2024-01-25 00:00:00"))["id"].to_pylist())
        assert {26, 27, 28} <= got and len(got) <= 5 and len(api.log) - before <= 2
        assert api.log[-1].headers["Authorization"] == "Bearer hunter22"


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_of_the_api_is_one_of_ours(status: int, root: Path) -> None:
    with RestServer({"/orders": Collection([], "next_url")}, fault=lambda r, n: Answer(status, b"no")) as api:
        if status == 404:
            source = open_source("s", rest(api.url), root)
        else:
            source = open_source("s", rest(api.url), root)
        with pytest.raises(SourceRefused, match=rf"The source refused: HTTPError: {status}.*Check args") as caught:
            read(source, "orders")
        assert "hunter22" not in str(caught.value)


def test_dlts_sql_source_reads_a_database_and_goes_on_by_a_column(root: Path) -> None:
    con = sqlite3.connect(root / "a.db")
    con.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, price DECIMAL(9,2), at TIMESTAMP, name TEXT)")
    con.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?)",
        [(i, i / 4, f"2024-01-{i:02d} 10:00:00", f"n{i}") for i in range(1, 29)],
    )
    con.commit()
    con.close()
    config = {
        "kind": "dlt",
        "source": "dlt.sources.sql_database:sql_database",
        "args": {"credentials": f"sqlite:///{root}/a.db", "table_names": ["orders"]},
    }
    source = open_source("s", config, root)
    assert [(r.name, r.key) for r in source.resources()] == [("orders", "id")]
    table = read(source, "orders")
    assert table.num_rows == 28 and table.to_pylist()[0] == {
        "id": 1,
        "price": Decimal("0.25"),
        "at": dt.datetime(2024, 1, 1, 10),
        "name": "n1",
    }
    assert set(read(source, "orders", after=("at", "2024-01-25 10:00:00"))["id"].to_pylist()) in (
        {26, 27, 28},
        {25, 26, 27, 28},
    )
    assert set(read(source, "orders", after=("id", "25"))["id"].to_pylist()) in ({26, 27, 28}, {25, 26, 27, 28})
    assert read(source, "orders", after=("name", "n3")).num_rows <= 28
    one = {
        "kind": "dlt",
        "source": "dlt.sources.sql_database:sql_table",
        "args": {
            "credentials": f"sqlite:///{root}/a.db",
            "table": "orders",
            "backend": "pyarrow",
            "incremental": {"cursor_path": "id", "initial_value": 20},
        },
    }
    assert sorted(read(open_source("s", one, root), "orders")["id"].to_pylist()) == list(range(20, 29))


def test_a_database_that_is_not_there_is_an_error(root: Path) -> None:
    config = {
        "kind": "dlt",
        "source": "dlt.sources.sql_database:sql_database",
        "args": {"credentials": "sqlite:////nowhere/a.db", "table_names": ["orders"]},
    }
    with pytest.raises(SourceError):
        open_source("s", config, root).resources()


def test_ingest_goes_on_where_it_stood(root: Path) -> None:
    Intendant.init(root / "ws")
    ws = root / "ws"
    (ws / "shop.py").write_text(MODULE)
    (ws / "intendant.toml").write_text(
        (ws / "intendant.toml").read_text()
        + '\n[sources.shop]\nkind = "dlt"\nsource = "shop.py:shop"\nargs = { token = "x" }\n'
    )
    with Intendant(ws) as app:
        for _ in range(2):
            done = app.do("ingest shop.events new rows by at upsert on id into events", approve=True)
            assert done.status == "succeeded", done.error
        assert app.sql("SELECT count(*), max(id) FROM events")["rows"] == [[28, 28]]


def test_nothing_is_written_outside_the_workspace_and_nobody_is_told(root: Path) -> None:
    home = root / "home"
    home.mkdir()
    code = (
        "import sys; from pathlib import Path; from intendant.sources import open_source; from intendant.types import ReadRequest\n"
        f"root = Path({str(root)!r})\n"
        "source = open_source('s', {'kind': 'dlt', 'source': 'my_sources/shop.py:single'}, root)\n"
        "assert sum(map(len, source.read(ReadRequest('single'), lambda *_: None))) == 3\n"
        "import dlt, os\n"
        "assert dlt.current.run_context().runtime_config.dlthub_telemetry is False\n"
        "assert dlt.current.run_context().data_dir.startswith(str(root)), dlt.current.run_context().data_dir\n"
    )
    cwd = root / "elsewhere"
    cwd.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=cwd,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == [] and list(cwd.iterdir()) == []


def test_secrets_below_telling_keys_are_found() -> None:
    args = {"config": {"auth": {"token": "abcd", "list": ["efgh"]}, "base_url": "http://x"}, "api_key": "ijkl", "n": 3}
    assert secrets_in(args) == {"abcd", "efgh", "ijkl"}
    shown = str(error_of(RuntimeError("https://u:pw@h/x?k=v said abcd"), "s", {"abcd"}))
    assert "pw" not in shown and "k=v" not in shown and "abcd" not in shown


def test_without_the_package_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlt", None)
    monkeypatch.delitem(sys.modules, "intendant.sources.wire.dlt_reading", raising=False)
    monkeypatch.delattr("intendant.sources.wire.dlt_reading", raising=False)
    with pytest.raises(WorkspaceError, match=r"package dlt is not installed.*pip install 'intendant\[dlt\]'"):
        shop(root).resources()
