"""The workspace's file says what is wrong with it and how to mend it; the folder works wherever it is copied to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.errors import WorkspaceError
from intendant.workspace import Workspace

WRONG = {
    "malformed toml": ("[policy\n", "intendant.toml can't be read", "line"),
    "an unknown section": ("[polcy]\n", "unknown section [polcy]", "Did you mean 'policy'?"),
    "an unknown key": ("[policy]\nvolume_gard = 1\n", "unknown key 'volume_gard' in [policy]", "Did you mean 'volume_guard'?"),
    "a key of Python's": ('[policy]\n__class__ = "x"\n', "unknown key '__class__'", "There is: "),
    "text for a number": ('[policy]\nvolume_guard = "much"\n', "policy.volume_guard is 'much'", "It must be a number."),
    "a fraction for a count": ("[policy]\nattempts = 1.5\n", "policy.attempts is 1.5", "whole number"),
    "true for a number": ("[policy]\nquota_gb = true\n", "policy.quota_gb is True", "number"),
    "an unknown way to fail": ('[policy]\non_failure = "explode"\n', "policy.on_failure is 'explode'", "rollback, quarantine"),
    "an engine that isn't there": ('[engine]\nkind = "flink"\n', "engine.kind is 'flink'", "spark"),
    "a value for a section": ("policy = 3\n", "'policy' must be a section", "[policy]"),
    "a value for sources": ("sources = 3\n", "'sources' must be sections", "[sources.NAME]"),
    "a value for a source": ("[sources]\na = 3\n", "sources.a is 3", "[sources.a]"),
    "a source without kind": ('[sources.api]\nurl = "http://x"\n', "source 'api' has no kind", "kind ="),
    "a source's name with a dot": ('[sources."a.b"]\nkind = "files"\n', "source name 'a.b' can't be used", "without dots"),
    "a value for queries": ("queries = 3\n", "'queries' must be sections", "[queries.NAME]"),
    "a query without sql": ("[queries.q]\navg_ms = 3\n", "query 'q' has no sql", "SELECT"),
    "a query's number as text": ('[queries.q]\nsql = "SELECT 1"\navg_ms = "3"\n', "queries.q.avg_ms is '3'", "number"),
    "a value for openlineage": ("openlineage = 3\n", "'openlineage' must be a section", "[openlineage]"),
    "an unknown key of a table": ('[tables.orders]\nseverity_lo = 1\n', "unknown key 'severity_lo' in [tables.\"orders\"]",
                                  "Did you mean 'severity_low'?"),
    "a table that is no section": ("tables = 3\n", "'tables' must hold sections", 'Write [tables."staging.orders"].'),
    "a table's value of the wrong type": ('[tables.orders]\ndrift_volume = "much"\n',
                                          "tables.\"orders\".drift_volume is 'much'", "It must be a number."),
    "an unknown openlineage key": ('[openlineage]\nfil = "x"\n', "unknown key 'fil' in [openlineage]", "Did you mean 'file'?"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_an_error_with_place_and_mend(case: str, tmp_path: Path) -> None:
    text, message, mend = WRONG[case]
    (tmp_path / "intendant.toml").write_text(text, encoding="utf-8")
    with pytest.raises(WorkspaceError) as e:
        Workspace.open(tmp_path)
    assert message in e.value.message and mend in str(e.value) and e.value.where == str(tmp_path / "intendant.toml")


def test_a_file_that_is_not_utf_8_is_said_with_the_byte(tmp_path: Path) -> None:
    (tmp_path / "intendant.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(WorkspaceError, match=r"is not UTF-8 \(byte 5\)"):
        Workspace.open(tmp_path)


def test_a_folder_that_is_no_workspace_is_said_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="is no workspace") as e:
        Intendant(tmp_path)
    assert e.value.hint == f"Make one: `intendant init {tmp_path}`." and not (tmp_path / ".intendant").exists()


def test_an_unset_variable_is_named_and_no_value_is_shown(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_TEST_SET", "value-of-the-set-one")
    monkeypatch.delenv("APP_TEST_UNSET", raising=False)
    url = "postgresql://${APP_TEST_SET}:${APP_TEST_UNSET}@127.0.0.1/x"
    (workspace / "intendant.toml").write_text(f'[sources.db]\nkind = "sql"\nurl = "{url}"\n', encoding="utf-8")
    with Intendant(workspace) as app, pytest.raises(WorkspaceError) as e:
        app.do("ingest db.t into t")
    assert e.value.message == "the environment variable APP_TEST_UNSET is not set"
    assert (e.value.where, e.value.hint) == ("sources.db.url", "`export APP_TEST_UNSET=...` and try again.")
    assert "value-of-the-set-one" not in str(e.value)


def test_a_file_made_by_init_is_left_as_it_is_by_another_init(workspace: Path) -> None:
    (workspace / "intendant.toml").write_text("# mine\n", encoding="utf-8")
    Intendant.init(workspace).close()
    assert (workspace / "intendant.toml").read_text(encoding="utf-8") == "# mine\n"


def test_a_copied_workspace_works_when_the_old_one_is_gone(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "elsewhere" / "new"
    (old / "drops").mkdir(parents=True)
    (old / "drops" / "orders.csv").write_text("order_id,amount\n1,5\n2,7\n", encoding="utf-8")
    (old / "intendant.toml").write_text('[sources.drops]\nkind = "files"\npath = "drops/"\n', encoding="utf-8")
    with Intendant.init(old) as app:
        assert app.do("ingest drops.orders into orders").status == "succeeded"
        assert app.do("transform orders derive twice = amount * 2").status == "succeeded"
        history = app.history("orders")
    shutil.copytree(old, new)
    shutil.rmtree(old)
    with Intendant(new) as app:
        assert app.tables() == [{"name": "orders", "version": 1, "rows": 2}]
        assert app.history("orders") == history and app.journal.verify() > 0
        assert app.do("transform orders filter twice > 10 into large").status == "succeeded"
        assert app.do("ingest drops.orders into orders").status == "succeeded"
        assert app.rollback("orders", 1).status == "succeeded"
        assert app.sql("SELECT order_id, twice FROM orders ORDER BY 1")["rows"] == [[1, 10], [2, 14]]
        assert app.sql("SELECT order_id FROM large")["rows"] == [[2]]
    assert not old.exists()


def test_a_table_has_thresholds_of_its_own_above_the_common_ones(tmp_path: Path) -> None:
    (tmp_path / "intendant.toml").write_text(
        '[thresholds]\nseverity_low = 90\ndrift_volume = 0.5\n[tables."Staging.Orders"]\nseverity_low = 99.5\n'
    )
    opened = Workspace.open(tmp_path)
    own = opened.thresholds_of("staging.orders")
    assert (own.severity_low, own.severity_medium, own.drift_volume) == (99.5, 70.0, 0.5)
    assert opened.thresholds_of("orders") == opened.thresholds
