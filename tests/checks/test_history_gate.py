"""The table's past at the gate: profiles are kept with what is published, and a load that breaks with them stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.checks.history import comparable, measured
from intendant.checks.history.shelf import KEEP, held, keep, read, remove
from intendant.errors import WorkspaceError
from intendant.types import Stamp

TOML = """
[policy]
{policy}
volume_guard = 0.95
[sources.drops]
kind = "files"
path = "drops/"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Intendant.init(tmp_path).close()
    (tmp_path / "drops").mkdir()
    told(tmp_path, 'on_drift = "rollback"')
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Iterator[Intendant]:
    with Intendant(folder) as opened:
        for day in range(5):
            loaded(opened, folder, day)
        yield opened


def told(folder: Path, policy: str) -> None:
    (folder / "intendant.toml").write_text(TOML.format(policy=policy))


def loaded(app: Intendant, folder: Path, day: int, rows: int = 60, header: str = "id,amount,region") -> str:
    """The status of ingesting a day's file."""
    columns = header.count(",") + 1
    lines = [",".join([f"{day * 1000 + i}", f"{i * 37 % 50}.5", f"r{i % 3}"][:columns]) for i in range(rows)]
    (folder / "drops" / "orders.csv").write_text("\n".join([header, *lines]) + "\n")
    return app.do("ingest drops.orders into orders").status


def test_every_published_load_leaves_its_profile_and_a_stopped_one_none(app: Intendant, folder: Path) -> None:
    assert sorted(held(app.lake, "orders")) == [0, 1, 2, 3, 4]
    before = app.show("orders")
    assert loaded(app, folder, 5, header="id,amount") == "rolled_back"
    assert loaded(app, folder, 5, rows=15) == "rolled_back"
    assert sorted(held(app.lake, "orders")) == [0, 1, 2, 3, 4]
    assert app.show("orders") == before
    assert loaded(app, folder, 5) == "succeeded"
    profile = read(app.lake, "orders", 5)
    assert (
        profile is not None
        and profile.rows == 60
        and profile.columns["region"].values == {"r0": 20, "r1": 20, "r2": 20}
    )


def test_a_break_asks_a_person_who_can_accept_it(folder: Path, app: Intendant) -> None:
    app.close()
    told(folder, 'on_drift = "review"')
    with Intendant(folder) as later:
        lines = ["id,amount", *(f"{5000 + i},{i * 37 % 50}.5" for i in range(60))]
        (folder / "drops" / "orders.csv").write_text("\n".join(lines) + "\n")
        asked = later.do("ingest drops.orders into orders")
        assert asked.status == "waiting_approval" and "'region' (VARCHAR) is gone" in asked.reason
        assert later.approve(asked.approval).status == "succeeded"
        assert list(later.show("orders")["columns"]) == ["id", "amount"]


def test_by_default_a_break_is_told_and_the_load_is_used(folder: Path, app: Intendant) -> None:
    app.close()
    told(folder, "")
    with Intendant(folder) as later:
        (folder / "drops" / "orders.csv").write_text(
            "\n".join(["id,amount", *(f"{5000 + i},{i * 37 % 50}.5" for i in range(60))]) + "\n"
        )
        result = later.do("ingest drops.orders into orders")
        assert result.status == "succeeded"
        assert [f["column"] for f in result.findings if f["check"] == "drift_schema"] == ["region"]
        report = later.check("orders")
        assert [f["column"] for f in report["findings"] if f["check"] == "drift_schema"] == ["region"]


def test_missing_and_damaged_profiles_are_measured_anew_to_the_same(app: Intendant) -> None:
    first = read(app.lake, "orders", 2)
    assert first is not None
    remove(app.lake, "orders", 2)
    (app.workspace.lake / "main" / "orders" / "_profiles" / "00000003.json").write_text("{")
    now = measured(app.engine, app.lake.snapshot("orders"))
    assert [p.version for p in comparable(app.engine, app.lake, now, fill=1)] == [0, 1, 3, 4]
    past = comparable(app.engine, app.lake, now)
    assert [p.version for p in past] == [0, 1, 2, 3, 4]
    assert past[2].columns == first.columns and past[2].rows == first.rows


def test_a_load_that_was_taken_back_is_no_part_of_the_past(app: Intendant) -> None:
    app.lake.restore("orders", 2, Stamp("r", "0"))
    now = measured(app.engine, app.lake.snapshot("orders"))
    assert [p.version for p in comparable(app.engine, app.lake, now)] == [0, 1, 2]
    assert sorted(held(app.lake, "orders")) == [0, 1, 2]


def test_profiles_go_to_the_trash_and_back_with_their_table_and_are_bounded(app: Intendant) -> None:
    profile = read(app.lake, "orders", 4)
    assert profile is not None
    app.lake.drop("orders", Stamp("d", "0"))
    assert held(app.lake, "orders") == []
    app.lake.undrop("orders", Stamp("u", "0"))
    assert len(held(app.lake, "orders")) == 5
    for version in range(100, 100 + KEEP + 3):
        keep(app.lake, type(profile)(**{**profile.__dict__, "version": version}))
    assert len(held(app.lake, "orders")) == KEEP


@pytest.mark.parametrize(
    "line", ['[policy]\non_drift = "explode"', "[thresholds]\ndrift_budget = 0.0", "[thresholds]\ndrift_versions = 1"]
)
def test_a_threshold_that_makes_no_sense_is_refused_with_its_mend(tmp_path: Path, line: str) -> None:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(line + "\n")
    with pytest.raises(WorkspaceError) as e:
        Intendant(tmp_path)
    assert e.value.hint
