"""A table's contract: what becomes of a load that brings other columns, and that old versions stay readable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from intendant.actions.base import Staged
from intendant.app import Intendant
from intendant.errors import GateStop, WorkspaceError
from intendant.language import parse
from intendant.run.gate import Gate
from intendant.types import Event, Json, Result, Stamp

SOURCE = """
[policy]
volume_guard = 0.95
[sources.drops]
kind = "files"
path = "drops/"
"""
FIRST = "id,amount,region\n" + "".join(f"{i},{i * 7},r{i % 4}\n" for i in range(1, 21))
Load = Callable[..., Result]


class Bench:
    """A workspace whose table `orders` (or `log`, to which rows are added) has a contract."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        Intendant.init(folder).close()
        (folder / "drops").mkdir()
        (folder / "intendant.toml").write_text(SOURCE)
        self.app = Intendant(folder)

    def contract(self, schema: str, table: str = "orders", policy: str = "") -> None:
        self.app.close()
        text = SOURCE.replace("[policy]", f"[policy]\n{policy}")
        (self.folder / "intendant.toml").write_text(f'{text}\n[tables."{table}"]\nschema = {schema}\n')
        self.app = Intendant(self.folder)

    def load(self, text: str, how: str = "") -> Result:
        (self.folder / "drops" / "orders.csv").write_text(text)
        return self.app.do(f"ingest drops.orders {how} into orders".replace("  ", " "))

    def rows(self, sql: str) -> list[Json]:
        return list(self.app.sql(sql)["rows"])

    def changes(self) -> list[Event]:
        return self.app.journal.events(kinds=["schema.changed"])

    def columns(self) -> dict[str, str]:
        return dict(self.app.show("orders")["columns"])


@pytest.fixture
def bench(tmp_path: Path) -> object:
    made = Bench(tmp_path)
    assert made.load(FIRST).status == "succeeded"
    yield made
    made.app.close()


NEW = FIRST.replace("region", "region,coupon").replace("r1", "r1,").replace("r2", "r2,").replace("r3", "r3,").replace(
    "r0", "r0,SAVE"
)  # fmt: skip
GONE = "\n".join(line.rsplit(",", 1)[0] for line in FIRST.splitlines()) + "\n"
WIDER = FIRST.replace("3,21,r3", "3,21.5,r3")
OTHER = FIRST.replace("3,21,r3", "3,many,r3").replace("4,28,r0", "4,few,r0").replace("5,35,r1", "5,?,r1")
RENAMED = FIRST.replace("region", "area")


def kinds(found: list[Event]) -> list[tuple[str, str]]:
    return [(c["kind"], c["column"]) for e in found for c in e.data["changes"]]


# ---------------------------------------------------------------- freeze
@pytest.mark.parametrize(
    ("text", "how", "kind", "says"),
    [
        (NEW, "append", "new", "Column 'coupon' (VARCHAR) is new: 5 of 20 rows carry it"),
        (GONE, "", "missing", "Column 'region' (VARCHAR) is gone"),
        (WIDER, "append", "widened", "Column 'amount' is DOUBLE; 1 of 20 values don't fit BIGINT"),
        (OTHER, "", "retyped", "Column 'amount' is VARCHAR; 3 of 20 values don't fit BIGINT"),
        (RENAMED, "append", "renamed", "Column 'region' is gone and 'area' is new; it looks renamed: 100%"),
    ],
)
def test_a_frozen_table_stops_a_load_of_another_shape_and_stays_as_it_is(
    bench: Bench, text: str, how: str, kind: str, says: str
) -> None:
    bench.contract('"freeze"')
    before = bench.app.show("orders")
    result = bench.load(text, how)
    assert result.status == "rolled_back"
    assert says in result.reason and f'({kind}: freeze, schema of [tables."orders"])' in result.reason
    assert [f["check"] for f in result.findings] == [f"schema_{kind}"]
    assert bench.app.show("orders") == before
    assert bench.changes() == []
    assert not bench.app.lake.exists("quarantine.orders")


def test_a_frozen_table_takes_values_that_fit_its_types_and_keeps_them(bench: Bench) -> None:
    assert bench.load(FIRST.replace("1,7,", "1,7.5,")).status == "succeeded"
    bench.contract('"freeze"')
    assert bench.columns()["amount"] == "DOUBLE"
    assert bench.load(FIRST).status == "succeeded"
    assert bench.columns() == {"id": "BIGINT", "amount": "DOUBLE", "region": "VARCHAR"}
    assert len(bench.changes()) == 1  # the widening before the contract


def test_the_sentence_that_a_stopped_renaming_offers_lets_the_next_load_through(bench: Bench) -> None:
    bench.contract('"freeze"')
    [finding] = bench.load(RENAMED).findings
    assert finding["mend"] == "transform orders rename region to area"
    assert bench.app.do(finding["mend"]).status == "succeeded"
    assert bench.load(RENAMED).status == "succeeded"
    assert list(bench.columns()) == ["id", "amount", "area"]


def test_a_column_renamed_in_another_spelling_is_known_by_its_name(bench: Bench) -> None:
    bench.contract('"freeze"')
    fresh = FIRST.replace("region", "Region_").replace(",r", ",new")
    [finding] = bench.load(fresh).findings
    assert finding["check"] == "schema_renamed" and "the names are alike" in finding["evidence"]


def test_columns_with_nothing_in_common_are_one_gone_and_one_new(bench: Bench) -> None:
    bench.contract('"freeze"')
    result = bench.load(FIRST.replace("region", "note").replace(",r", ",something "))
    assert [f["check"] for f in result.findings] == ["schema_missing", "schema_new"]


def test_what_a_person_derives_in_place_is_no_change_of_the_source(bench: Bench) -> None:
    bench.contract('"freeze"')
    for _ in range(2):
        assert bench.load(FIRST).status == "succeeded"
        assert bench.app.do("transform orders derive double = amount * 2").status == "succeeded"
    assert bench.changes() == []


def test_a_frozen_table_that_a_transform_fills_is_held_too(bench: Bench) -> None:
    bench.contract('"freeze"', "report")
    made = "transform orders filter amount > 20 into report"
    assert bench.app.do(made).status == "succeeded"
    assert bench.app.do(made).status == "succeeded"
    assert bench.load(NEW).status == "succeeded"
    result = bench.app.do(made)
    assert result.status == "rolled_back" and "'coupon' (VARCHAR) is new" in result.reason
    assert list(bench.app.show("report")["columns"]) == ["id", "amount", "region"]


def test_a_file_that_is_loaded_by_hand_is_held_to_the_contract(bench: Bench) -> None:
    bench.contract('"freeze"')
    file = bench.folder / "again.csv"
    file.write_text(GONE)
    with pytest.raises(GateStop, match="'region' \\(VARCHAR\\) is gone"):
        bench.app.load(file, "orders")
    assert bench.app.show("orders")["version"] == 0
    file.write_text(FIRST)
    assert bench.app.load(file, "orders")["version"] == 1


# ---------------------------------------------------------------- quarantine
@pytest.mark.parametrize("how", ["", "append"])
def test_rows_that_carry_a_new_column_are_set_aside_and_the_rest_keeps_the_old_columns(bench: Bench, how: str) -> None:
    bench.contract('"quarantine"')
    result = bench.load(NEW, how)
    assert result.status == "succeeded"
    assert result.outputs[0].rows_quarantined == 5 and result.outputs[0].rows_written == 15
    assert list(bench.columns()) == ["id", "amount", "region"]
    aside = bench.rows('SELECT coupon, _reason FROM quarantine."orders"')
    assert aside == [["SAVE", "coupon: not a column of the table"]] * 5
    assert bench.changes() == []


@pytest.mark.parametrize(("text", "bad"), [(WIDER, [["21.5"]]), (OTHER, [["?"], ["few"], ["many"]])])
def test_values_that_dont_fit_the_old_type_are_set_aside_whatever_their_share(
    bench: Bench, text: str, bad: list[Json]
) -> None:
    bench.contract('"quarantine"')
    result = bench.load(text, "append")
    assert result.status == "succeeded"
    assert bench.columns()["amount"] == "BIGINT"
    said = bench.rows('SELECT CAST(amount AS VARCHAR) AS a FROM quarantine."orders" ORDER BY a')
    assert said == bad
    assert bench.rows("SELECT count(*) FROM orders") == [[40 - len(bad)]]


def test_a_load_of_which_nothing_fits_doesnt_empty_the_table(bench: Bench) -> None:
    bench.contract('"quarantine"')
    result = bench.load(NEW.replace("\n", "X\n").replace("couponX", "coupon"))
    assert result.status == "failed" and result.error is not None and result.error["code"] == "volume_guard"
    assert bench.rows("SELECT count(*) FROM orders") == [[20]]
    added = bench.load(NEW.replace("\n", "X\n").replace("couponX", "coupon"), "append")
    assert added.status == "succeeded" and added.outputs[0].rows_quarantined == 20
    assert bench.rows("SELECT count(*) FROM orders") == [[20]]


def test_a_missing_column_has_no_rows_to_set_aside_so_a_person_is_asked(bench: Bench) -> None:
    bench.contract('"quarantine"')
    result = bench.load(GONE)
    assert result.status == "waiting_approval" and "'region' (VARCHAR) is gone" in result.reason


def test_an_audit_that_was_interrupted_finds_the_same_when_it_is_done_again(bench: Bench) -> None:
    bench.contract('"quarantine"')
    (bench.folder / "again.csv").write_text(NEW)
    app, step = bench.app, parse("ingest drops.orders append into orders").steps[0]
    stage = app.lake.stage("orders", Stamp("r", "0"))
    stage.add_sql(app.engine, f"SELECT * FROM read_csv('{bench.folder / 'again.csv'}')", {})
    stage.save()
    gate, staged = Gate(app.workspace, app.lake, app.engine), Staged("orders", "append")
    first = gate.audit(stage, staged, step)
    reopened = app.lake.reopen("orders", Stamp("r", "0"))
    assert reopened is not None
    second = gate.audit(reopened, staged, step)
    assert [f.evidence for f in second.findings[:1]] == [f.evidence for f in first.findings[:1]] != []
    assert gate.set_aside(reopened, {}, Stamp("r", "0"), step) == 5
    assert reopened.rows == 15


# ---------------------------------------------------------------- ask
@pytest.mark.parametrize("text", [OTHER, RENAMED])
def test_a_change_that_is_asked_about_is_taken_on_yes_and_forgotten_on_no(bench: Bench, text: str) -> None:
    bench.contract('"ask"')
    before = bench.app.show("orders")
    asked = bench.load(text)
    assert asked.status == "waiting_approval"
    assert bench.app.show("orders") == before
    assert bench.app.reject(asked.approval).status == "rolled_back"
    assert bench.app.show("orders") == before and bench.changes() == []
    again = bench.load(text)
    assert bench.app.approve(again.approval).status == "succeeded"
    assert list(bench.columns()) == text.partition("\n")[0].split(",")
    assert len(kinds(bench.changes())) == 1
    assert bench.load(text).status == "succeeded"


# ---------------------------------------------------------------- evolve
def test_new_columns_are_null_in_old_rows_and_every_version_stays_readable(bench: Bench) -> None:
    bench.contract('"evolve"')
    assert bench.load(NEW, "append").status == "succeeded"
    assert bench.rows("SELECT count(*), count(coupon) FROM orders") == [[40, 5]]
    assert kinds(bench.changes()) == [("new", "coupon")]
    assert bench.app.rollback("orders", 0).status == "succeeded"
    assert list(bench.columns()) == ["id", "amount", "region"]


def test_a_widened_column_can_be_rolled_back_and_widened_again(bench: Bench) -> None:
    bench.contract('"evolve"')
    assert bench.load(WIDER, "append").status == "succeeded"
    assert bench.columns()["amount"] == "DOUBLE"
    assert bench.rows("SELECT sum(amount) FROM orders") == [[2 * 1470 + 0.5]]
    event = bench.changes()[-1].data
    assert (event["table"], event["version"]) == ("orders", 1)
    assert event["changes"][0] | {"rows": 1} == {
        "kind": "widened", "column": "amount", "before": "BIGINT", "now": "DOUBLE", "policy": "evolve", "rows": 1,
    }  # fmt: skip
    old = bench.app.lake.snapshot("orders", 0)
    assert bench.app.engine.rows("SELECT sum(amount) FROM orders", {"orders": old})[1] == [(1470,)]
    assert bench.app.rollback("orders").status == "succeeded"
    assert bench.columns()["amount"] == "BIGINT" and bench.rows("SELECT sum(amount) FROM orders") == [[1470]]
    assert bench.load(WIDER, "append").status == "succeeded"
    assert bench.rows("SELECT sum(amount) FROM orders") == [[2 * 1470 + 0.5]]


def test_a_retyped_column_becomes_text_where_the_contract_takes_it(bench: Bench) -> None:
    bench.contract('{ retyped = "evolve" }')
    assert bench.load(OTHER, "append").status == "succeeded"
    assert bench.columns()["amount"] == "VARCHAR"
    assert bench.rows("SELECT count(*) FROM orders WHERE amount IN ('7', 'many')") == [[3]]


def test_a_contract_that_takes_a_loss_is_not_asked_again_by_the_tables_past(bench: Bench) -> None:
    for _ in range(4):
        bench.load(FIRST)
    bench.contract('{ missing = "evolve" }', policy='on_drift = "rollback"')
    assert bench.load(GONE).status == "succeeded"


# ---------------------------------------------------------------- without a contract, and wrong ones
def test_without_a_contract_changes_are_taken_as_ever_and_told(bench: Bench) -> None:
    assert bench.load(NEW, "append").status == "succeeded"
    assert bench.load(OTHER).status == "succeeded"  # the coupon is gone, the amount became text
    assert kinds(bench.changes()) == [("new", "coupon"), ("missing", "coupon"), ("retyped", "amount")]
    assert bench.app.journal.verify() > 0


def test_a_fraction_in_text_is_not_rounded_into_a_column_of_whole_numbers(bench: Bench) -> None:
    text = FIRST.replace("3,21,r3", "3,21.7,r3").replace("4,28,r0", "4,n/a,r0")
    assert bench.load(text, "append").status == "succeeded"
    assert bench.rows('SELECT amount FROM quarantine."orders" ORDER BY 1') == [["21.7"], ["n/a"]]
    assert bench.columns()["amount"] == "BIGINT"


def test_each_kind_of_change_has_its_own_word(bench: Bench) -> None:
    bench.contract('{ new = "evolve", missing = "freeze", retyped = "quarantine" }')
    assert bench.load(NEW, "append").status == "succeeded"
    assert bench.load(GONE, "append").status == "rolled_back"


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ('"frozen"', "is 'frozen'", "It is evolve, freeze, quarantine, ask."),
        ('{ new = "stop" }', "schema.new is 'stop'", "It is evolve, freeze, quarantine, ask."),
        ('{ knew = "ask" }', "unknown key 'knew'", "Did you mean 'new'?"),
        ("3", "is 3", "It is evolve, freeze, quarantine, ask."),
    ],
)
def test_a_contract_that_cant_be_is_refused_with_its_mend(tmp_path: Path, said: str, message: str, hint: str) -> None:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(f'[tables."orders"]\nschema = {said}\n')
    with pytest.raises(WorkspaceError) as e:
        Intendant(tmp_path)
    assert message in e.value.message and e.value.hint == hint
