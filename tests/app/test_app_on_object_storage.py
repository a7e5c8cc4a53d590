"""A workspace whose lake is on object storage: the same sentences, and a second workspace that sees the same tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.s3 import Storage, storage

from intendant.app import Intendant
from intendant.errors import StorageUnreachable, WorkspaceError
from intendant.types import Result

SECRET = "a-secret-key-that-nobody-may-see"


@pytest.fixture(scope="module")
def s3() -> Iterator[Storage]:
    with storage() as started:
        yield started


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SECRET", SECRET)


def workspace(folder: Path, url: str, endpoint: str, more: str = "") -> Path:
    (folder / "drops").mkdir(parents=True)
    (folder / "drops" / "orders.csv").write_text("order_id,region,amount\n1,north,10\n2,south,-4\n3,north,7\n")
    (folder / "intendant.toml").write_text(
        f'[lake]\nurl = "{url}"\nendpoint = "{endpoint}"\naccess_key = "team"\nsecret_key = "${{LAKE_SECRET}}"\n{more}\n'
        '[sources.drops]\nkind = "files"\npath = "drops/"\n'
    )
    return folder


def done(result: Result) -> Result:
    assert result.status == "succeeded", result
    return result


def test_a_pipeline_runs_on_object_storage_and_another_workspace_goes_on(s3: Storage, tmp_path: Path) -> None:
    url = f"s3://{s3.bucket()}/team"
    with Intendant(workspace(tmp_path / "one", url, s3.endpoint)) as app:
        done(app.do("ingest drops.orders into orders"))
        done(app.do("check orders for amount between 0 and 100 on failure quarantine", approve=True))
        done(app.do("transform orders group by region: sum amount as revenue into revenue_by_region"))
        done(app.do("transform orders derive double = amount * 2"))
        assert app.sql("SELECT order_id, double FROM orders ORDER BY 1")["rows"] == [[1, 20], [3, 14]]
        done(app.rollback("orders"))
        assert "double" not in app.show("orders")["columns"]
    with Intendant(workspace(tmp_path / "two", url, s3.endpoint)) as other:
        assert {t["name"]: t["rows"] for t in other.tables()} == {
            "orders": 2,
            "quarantine.orders": 1,
            "revenue_by_region": 1,
        }
        assert other.sql("SELECT * FROM revenue_by_region")["rows"] == [["north", 17]]
        assert done(other.do("query orders sort by order_id")).answer is not None
        done(other.do("drop revenue_by_region", approve=True))
        assert other.lake.names() == ["orders", "quarantine.orders"]
    with Intendant(tmp_path / "one") as app:
        assert app.lake.names() == ["orders", "quarantine.orders"]
        done(app.rollback("revenue_by_region"))
        assert app.sql("SELECT * FROM revenue_by_region")["rows"] == [["north", 17]]
        found = {r["what"]: r for r in app.doctor()}["lake"]
        assert found["state"] == "ok"
        assert url in found["detail"] and "conditional writes work" in found["detail"] and "cache" in found["detail"]
    told = "".join(p.read_text(errors="replace") for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".parquet")
    assert SECRET not in told


def test_storage_that_is_down_fails_the_run_with_the_mend_and_is_seen_by_the_doctor(tmp_path: Path) -> None:
    with Intendant(workspace(tmp_path / "w", "s3://team-bucket", "http://127.0.0.1:9")) as app:
        app.lake.store.bucket.pauses = type(app.lake.store.bucket.pauses)(1)  # type: ignore[attr-defined]
        with pytest.raises(StorageUnreachable, match="can't be reached"):
            app.tables()
        found = {r["what"]: r for r in app.doctor()}["lake"]
        assert (found["state"], found["mend"]) == ("problem", "Check endpoint, and that it runs.")
        failed = app.do("ingest drops.orders into orders")
        assert (failed.status, failed.error["code"]) == ("failed", "storage_unreachable")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('url = "gs://bucket"', "lake.url is 'gs://bucket'"),
        ('endpoint = "http://x"', "has endpoint and no url"),
        ('url = "s3://bucket"\ncache_gb = 0', "lake.cache_gb is 0"),
        ('url = "s3://bucket"\ncache = 3', "unknown key 'cache'"),
        ('url = "s3://bucket/*"\naccess_key = "a"\nsecret_key = "b"', "holds a pattern"),
        ('url = "s3://bucket"\naccess_key = "a"\nsecret_key = "${NO_SUCH_VARIABLE}"', "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_settings_of_the_lake_that_can_not_be_used_are_told_with_the_mend(
    lines: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "intendant.toml").write_text(f"[lake]\n{lines}\n")
    with pytest.raises(WorkspaceError, match=message) as error:
        Intendant(tmp_path)
    assert error.value.hint
