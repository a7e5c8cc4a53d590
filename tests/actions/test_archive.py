"""Rows on their way into the cold place and back: nothing lost, nothing twice, whatever happens to either side."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.s3 import Storage, storage

from intendant.app import Intendant
from intendant.errors import LeaseLost

OLD = "archive orders older than 3000 days by at"


def csv(rows: int = 90, start: int = 0, more: str = "") -> str:
    """A third of the rows is from 2015, the others from 2026."""
    lines = [
        f"{i},{2015 if i % 3 == 0 else 2026}-02-0{1 + i % 9}T10:00:00,{i * 1.5},n{i % 4}{more}"
        for i in range(start, start + rows)
    ]
    return "\n".join([f"id,at,amount,note{',extra' if more else ''}", *lines]) + "\n"


def shop(folder: Path, settings: str = "") -> Intendant:
    Intendant.init(folder).close()
    if settings:
        (folder / "intendant.toml").write_text(settings, encoding="utf-8")
    app = Intendant(folder)
    (folder / "orders.csv").write_text(csv(), encoding="utf-8")
    app.load(folder / "orders.csv", "orders")
    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    with shop(tmp_path / "w") as made:
        yield made


def done(app: Intendant, text: str) -> Any:
    result = app.do(text, approve=True)
    assert result.status == "succeeded", (text, result.error, result.reason)
    return result


def failed(app: Intendant, text: str) -> dict[str, str]:
    result = app.do(text, approve=True)
    assert result.status == "failed" and result.error is not None, result
    return dict(result.error)


def ids(app: Intendant) -> list[int]:
    return [r[0] for r in app.sql("SELECT id FROM orders ORDER BY id")["rows"]]


def only(app: Intendant, name: str) -> Path:
    return next((app.workspace.root / app.workspace.storage.cold).rglob(name))


def archived(app: Intendant) -> dict[str, Any]:
    return next(e.data["archive"] for e in app.journal.events(kinds=["table.published"]) if e.data.get("archive"))


# ---------------------------------------------------------------- there and back
def test_rows_leave_with_a_manifest_and_come_back_as_they_were(app: Intendant) -> None:
    before = app.sql("SELECT * FROM orders ORDER BY id")
    done(app, OLD)
    assert len(ids(app)) == 60
    said = json.loads(only(app, "manifest.json").read_text())
    assert (said["table"], said["version"], said["rows"]) == ("orders", 0, 30)
    assert said["sentence"] == 'archive orders older than 3000 days by "at"'
    assert [c["name"] for c in said["columns"]] == ["id", "at", "amount", "note"]
    assert said["files"][0]["bytes"] == only(app, "rows-0.parquet").stat().st_size
    result = done(app, "restore orders from archive")
    assert [(o.version, o.rows_written) for o in result.outputs] == [(2, 30)]
    assert app.sql("SELECT * FROM orders ORDER BY id") == before


def test_a_worker_whose_run_another_one_took_over_leaves_that_ones_archive_as_it_is(app: Intendant) -> None:
    def lost() -> None:
        raise LeaseLost("another worker took over")

    app.lake.store.fence = lost
    assert failed(app, OLD)["code"] == "lease_lost"
    assert not [f for f in (app.workspace.root / app.workspace.storage.cold).rglob("*") if f.is_file()]


def test_doing_it_again_moves_nothing(app: Intendant) -> None:
    done(app, OLD)
    again = done(app, OLD)
    assert again.steps[0]["note"] == "nothing new" and again.outputs[0].version == 1
    assert len(list((app.workspace.state / "archive").rglob("manifest.json"))) == 1


def test_a_restored_archive_is_not_restored_again(app: Intendant) -> None:
    done(app, OLD)
    archive = archived(app)["id"]
    done(app, f"restore orders from archive '{archive}'")
    error = failed(app, f"restore orders from archive '{archive}'")
    assert error["message"] == f"the rows of the archive {archive!r} are in 'orders' already"
    assert error["hint"] == "`intendant history orders` shows since which version."
    assert len(ids(app)) == 90


def test_a_rollback_over_an_archive_leaves_nothing_to_restore(app: Intendant) -> None:
    done(app, OLD)
    assert app.rollback("orders", 0).status == "succeeded" and len(ids(app)) == 90
    assert "no archive whose rows are out" in failed(app, "restore orders from archive")["message"]
    assert app.rollback("orders", 1).status == "succeeded"
    done(app, "restore orders from archive")
    assert ids(app) == list(range(90))


def test_of_several_archives_one_must_be_named(app: Intendant) -> None:
    done(app, "archive orders where id < 3")
    done(app, "archive orders where id < 6")
    error = failed(app, "restore orders from archive")
    assert error["message"] == "'orders' has 2 archives" and "restore orders from archive 'ID'" in error["hint"]
    assert failed(app, "restore orders from archive 'nothing'")["code"] == "unknown_name"


def test_a_run_that_fails_later_brings_the_rows_back_and_the_archive_counts_no_more(app: Intendant) -> None:
    result = app.do(f"{OLD}\ncheck orders for amount at least 100000 on failure rollback", approve=True)
    assert result.status == "rolled_back"
    assert ids(app) == list(range(90))
    assert "no archive whose rows are out" in failed(app, "restore orders from archive")["message"]


def test_a_row_without_a_time_stays(app: Intendant) -> None:
    (app.workspace.root / "orders.csv").write_text(
        "id,at,amount,note\n1,2015-01-01T00:00:00,1,a\n2,,2,b\n3,2026-01-01T00:00:00,3,c\n"
    )
    app.load(app.workspace.root / "orders.csv", "orders")
    done(app, OLD)
    assert ids(app) == [2, 3]


# ---------------------------------------------------------------- what happened meanwhile
def test_rows_come_back_to_a_table_that_gained_a_column_and_a_wider_type(app: Intendant) -> None:
    done(app, OLD)
    done(app, "transform orders derive tax = amount * 0.1 cast id to decimal")
    done(app, "restore orders from archive")
    assert app.sql("SELECT count(*), count(tax) FROM orders")["rows"] == [[90, 60]]


def test_a_frozen_contract_takes_no_rows_without_a_newer_column(tmp_path: Path) -> None:
    with shop(tmp_path / "w", '[tables."orders"]\nschema = "freeze"\n') as app:
        done(app, OLD)
        done(app, "transform orders derive tax = amount * 0.1")
        error = failed(app, "restore orders from archive")
        assert (
            error["message"]
            == "Column 'tax' is newer than the archive, and the table's contract doesn't take that (missing: freeze)"
        )
        assert error["hint"] == 'Set schema = { missing = "evolve" } of [tables."orders"] to bring the rows back.'
        assert len(ids(app)) == 60


def test_a_column_that_became_another_kind_is_named(app: Intendant) -> None:
    done(app, OLD)
    done(app, "transform orders drop note derive note = amount * 2")
    error = failed(app, "restore orders from archive")
    assert error["message"].startswith("Column 'note' was VARCHAR when its rows were archived and is ")
    assert error["hint"] == "Cast it back first: `transform orders cast note to ...`."


def test_rows_that_were_loaded_again_are_not_brought_twice(app: Intendant) -> None:
    done(app, OLD)
    app.load(app.workspace.root / "orders.csv", "orders")
    error = failed(app, "restore orders from archive")
    assert error["message"].startswith("30 rows of the archive ") and error["message"].endswith(
        " are in 'orders' already"
    )


# ---------------------------------------------------------------- damage
def test_a_damaged_file_is_named_and_the_table_unchanged(app: Intendant) -> None:
    done(app, OLD)
    file = only(app, "rows-0.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    error = failed(app, "restore orders from archive")
    assert (error["code"], error["where"]) == ("damaged", str(file))
    assert error["hint"] == "Bring the archive's folder back from a copy. The table is unchanged."
    file.unlink()
    assert "is not there" in failed(app, "restore orders from archive")["message"]
    assert len(ids(app)) == 60


@pytest.mark.parametrize("change", [("rows", 31), ("predicate", "true"), ("files", []), ("digest", "0" * 64)])
def test_a_manifest_that_was_changed_is_not_believed(app: Intendant, change: tuple[str, Any]) -> None:
    done(app, OLD)
    manifest = only(app, "manifest.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), change[0]: change[1]}))
    assert failed(app, "restore orders from archive")["message"].endswith("was changed")
    manifest.write_text("{")
    assert failed(app, "restore orders from archive")["message"].endswith("can't be read")


def test_a_manifest_signed_anew_is_not_the_one_of_the_journal(app: Intendant) -> None:
    from intendant.lake.cold import Folder, Manifest

    done(app, OLD)
    manifest = only(app, "manifest.json")
    read = Manifest.read(
        Folder(app.workspace.root / ".intendant/archive"), "orders", archived(app)["id"], manifest.parent
    )
    forged = Manifest(**{**read.__dict__, "sentence": "drop orders"})
    manifest.write_text(forged.written())
    assert failed(app, "restore orders from archive")["message"].endswith("isn't the one that was written")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="needs a place that refuses")
def test_a_place_that_cannot_be_written_leaves_the_table(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    with shop(tmp_path / "w", f'[storage]\ncold = "{tmp_path}/taken/inside"\n') as app:
        error = failed(app, OLD)
        assert error["message"] == "The archive can't be written: Not a directory"
        assert "name another as `cold` of [storage]" in error["hint"]
        assert ids(app) == list(range(90)) and app.show("orders")["version"] == 0


# ---------------------------------------------------------------- words that don't fit
@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("archive nothing where id = 1", "there is no table 'nothing'", "orders"),
        (
            "archive orders older than 3 days by amount",
            "`older than` needs a date or time; 'amount' is ",
            "Name a date column",
        ),
        ("archive orders older than 3 days by nope", "there is no column 'nope'", ""),
        ("archive orders older than 0 days by at", "an age of 0 would archive every row", "Use 1 or more."),
        ("archive orders where id >= 0", "it would leave no row in 'orders'", "`export` and `drop` orders"),
        ("restore nothing from archive", "there is no table 'nothing'", "orders"),
        ("restore orders from archive", "'orders' has no archive whose rows are out of it", "Nothing was archived"),
    ],
)
def test_a_sentence_that_does_not_fit_says_why(app: Intendant, text: str, message: str, hint: str) -> None:
    error = failed(app, text)
    assert message in error["message"] and hint in error["hint"]
    assert ids(app) == list(range(90))


def test_a_cold_place_that_is_none_is_refused_when_the_workspace_opens(tmp_path: Path) -> None:
    from intendant.errors import WorkspaceError

    Intendant.init(tmp_path).close()
    for bad in ('cold = "ftp://host/x"', 'cold = ""', "trash_days = -1.0"):
        (tmp_path / "intendant.toml").write_text(f"[storage]\n{bad}\n")
        with pytest.raises(WorkspaceError, match="storage"):
            Intendant(tmp_path)


# ---------------------------------------------------------------- object storage
@pytest.fixture(scope="module")
def s3() -> Iterator[Storage]:
    with storage() as started:
        yield started


def bucket_settings(s3: Storage, bucket: str) -> str:
    return (
        f'[storage]\ncold = "s3://{bucket}/cold"\nendpoint = "{s3.endpoint}"\naccess_key = "an-access-key"\n'
        'secret_key = "${COLD_SECRET}"\n[policy]\nattempts = 1\n'
    )


def test_object_storage_is_a_cold_place(s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLD_SECRET", "a-secret-key-that-nobody-may-see")
    bucket = s3.bucket()
    with shop(tmp_path / "w", bucket_settings(s3, bucket)) as app:
        done(app, OLD)
        archive = archived(app)
        assert archive["where"] == f"s3://{bucket}/cold/orders/{archive['id']}/"
        assert [k.rpartition("/")[2] for k in s3.keys(bucket)] == ["manifest.json", "rows-0.parquet"]
        assert not (app.workspace.state / "archive").exists()
        done(app, "restore orders from archive")
        assert ids(app) == list(range(90))
        assert not list((app.workspace.state / "archiving").glob("*"))


def test_object_storage_that_refuses_leaves_the_table(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLD_SECRET", "a-secret-key-that-nobody-may-see")
    bucket = s3.bucket()
    with shop(tmp_path / "w", bucket_settings(s3, bucket)) as app:
        with s3.failing(
            lambda method, path: (403, "AccessDenied") if method == "PUT" and path.endswith("manifest.json") else None
        ):
            error = failed(app, OLD)
        assert error["code"] == "source_refused" and "a-secret-key" not in json.dumps(error)
        assert ids(app) == list(range(90))
        done(app, OLD)
        assert len(ids(app)) == 60


def test_keys_of_the_cold_place_that_are_not_set_are_named(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLD_SECRET", raising=False)
    with shop(tmp_path / "w", bucket_settings(s3, "bucket-x")) as app:
        assert "COLD_SECRET is not set" in failed(app, OLD)["message"]


def test_a_cold_place_that_does_not_answer_leaves_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("COLD_SECRET", "x")
        settings = (
            f'[storage]\ncold = "s3://bucket/cold"\nendpoint = "http://127.0.0.1:{taken.getsockname()[1]}"\naccess_key = "k"\n'
            'secret_key = "${COLD_SECRET}"\n[policy]\nattempts = 1\n'
        )
        with shop(tmp_path / "w", settings) as app:
            error = failed(app, OLD)
            assert error["code"] == "source_unreachable" and "Check endpoint" in error["hint"]
            assert ids(app) == list(range(90))


def short_of_space(root: Path, answers: Any) -> None:
    """Writes an archive of random numbers where no file may be larger than 20 kB."""
    import resource

    from intendant.engines.duckdb import DuckDB
    from intendant.errors import DiskFull
    from intendant.lake import Lake
    from intendant.lake.cold import Folder, moved
    from intendant.types import Stamp

    engine = DuckDB(threads=1)
    lake = Lake(root / "lake", engine)
    stage = lake.stage("numbers", Stamp("r", "0"))
    stage.add_sql(engine, "SELECT random() AS x FROM range(20000)", {})
    snapshot = lake.publish(stage, "replace")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        moved(engine, snapshot, "x < 0.9", Folder(root / "cold"), Stamp("r", "1"), "archive", root / "work")
    except DiskFull as error:
        answers.put(
            [
                error.hint,
                lake.snapshot("numbers").version,
                (root / "work").exists(),
                sorted((root / "cold").rglob("*.*")),
            ]
        )


def test_a_full_disk_leaves_the_table_and_no_archive(tmp_path: Path) -> None:
    import multiprocessing

    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    child = spawn.Process(target=short_of_space, args=(tmp_path, answers))
    child.start()
    hint, version, work, cold = answers.get(timeout=90)
    child.join()
    assert "the tables are unchanged" in hint and (version, work, cold) == (0, False, [])


def test_two_that_restore_or_archive_at_once_move_every_row_once(app: Intendant) -> None:
    from concurrent.futures import ThreadPoolExecutor

    assert app.owner.acquire()
    with ThreadPoolExecutor(2) as pool:
        away = list(pool.map(lambda text: app.do(text, approve=True), [OLD, OLD]))
        assert [r.status for r in away] == ["succeeded"] * 2 and len(ids(app)) == 60
        assert [a["rows"] for a in app.show("orders")["archives"]] == [30]
        back = list(pool.map(lambda text: app.do(text), ["restore orders from archive"] * 2))
    assert sorted(r.status for r in back) == ["failed", "succeeded"]
    assert ids(app) == list(range(90))


def test_a_table_that_was_dropped_and_made_anew_gets_the_rows_of_the_old_one_once(app: Intendant) -> None:
    done(app, OLD)
    kept = app.sql("SELECT * FROM orders")["rows"]
    done(app, "provision copy from orders")
    done(app, "drop orders")
    assert failed(app, "restore orders from archive")["hint"] == "`intendant rollback orders` brings it back."
    done(app, "provision orders from copy")
    assert len(kept) == len(ids(app)) == 60
    done(app, "restore orders from archive")
    assert ids(app) == list(range(90))
    assert "no archive whose rows are out" in failed(app, "restore orders from archive")["message"]


def test_an_id_that_could_name_no_folder_is_not_one(app: Intendant) -> None:
    result = app.do(OLD, approve=True, run_id="../../outside")
    assert result.status == "succeeded"
    assert sorted(p.name for p in app.workspace.root.parent.iterdir()) == ["w"]
    assert archived(app)["where"].startswith(".intendant/archive/orders/") and ".." not in archived(app)["where"]
    done(app, "restore orders from archive")
    assert ids(app) == list(range(90))


def test_names_and_values_of_every_kind_survive(app: Intendant) -> None:
    sql = (
        'SELECT i AS "Order Id", i::DECIMAL(20,4) / 7 AS price, TIMESTAMPTZ \'2020-01-01 00:00:00+02\' + to_days(i::INTEGER) AS "at", '
        "[i, i + 1] AS \"list\", {'a': i, 'b': 'x''y'} AS \"o\"\"bj\", CASE WHEN i % 2 = 0 THEN 'NaN'::DOUBLE END AS \"select\", "
        "('é😀' || i)::BLOB AS raw FROM range(20) t(i)"
    )
    from intendant.types import Stamp

    stage = app.lake.stage("Odd Names", Stamp("r", "0"))
    stage.add_sql(app.engine, sql.replace("('é😀' || i)::BLOB", "encode('é😀' || i)"), {})
    app.lake.publish(stage, "replace")
    before = app.sql('SELECT * FROM "Odd Names" ORDER BY "Order Id"')
    done(app, 'archive "Odd Names" where "Order Id" < 11')
    done(app, 'restore "Odd Names" from archive')
    assert app.sql('SELECT * FROM "Odd Names" ORDER BY "Order Id"') == before
    assert app.lake.snapshot("Odd Names").columns == app.lake.snapshot("Odd Names", 0).columns
