"""Pipeline files: parameters, order, what is due, backfills."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import pytest

from intendant import Intendant
from intendant.errors import LanguageError, UnknownName, UsageError
from intendant.run.build import backfill, build, periods
from intendant.run.pipelines import due, filled, one, opened, ordered

TEXT = """# days of orders
param day = date '2026-01-01'
param least = 10
param country = 'ES'
transform orders
  filter day >= $day and amount > $least and country = $country and note != '$day'
  into picked
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    rows = "\n".join(f"{i},2026-0{1 + i % 3}-{1 + i % 28:02},{i},{['ES', 'DE'][i % 2]},x" for i in range(1, 91))
    (tmp_path / "orders.csv").write_text(f"id,day,amount,country,note\n{rows}\n")
    with Intendant.init(tmp_path / "w") as app:
        app.load(tmp_path / "orders.csv", "orders")
        yield app


def write(app: Intendant, **files: str) -> None:
    for name, text in files.items():
        (app.workspace.root / "pipelines" / f"{name}.intent").write_text(text)


def statuses(rows: list[dict[str, object]]) -> dict[object, object]:
    return {r["pipeline"]: r["status"] for r in rows}


# ---------------------------------------------------------------- parameters
def test_parameters_fill_their_places_and_nothing_else() -> None:
    text = filled(TEXT, {"day": "2026-02-03", "country": "O'Hara; drop orders"}, "p.intent")
    assert "day >= date '2026-02-03' and amount > 10 and country = 'O''Hara; drop orders' and note != '$day'" in text
    assert text.count("\n") == TEXT.count("\n")


@pytest.mark.parametrize(
    ("given", "said", "mend"),
    [
        ({"day": "tomorrow"}, "parameter 'day' is 'tomorrow'", "It is a date, like date '2026-01-01'."),
        ({"day": "2026-13-01"}, "parameter 'day' is '2026-13-01'", "It is a date"),
        ({"least": "ten"}, "parameter 'least' is 'ten'", "It is a number, like 10."),
        ({"least": "10 or true"}, "parameter 'least' is '10 or true'", "It is a number"),
        ({"leest": "3"}, "has no parameter 'leest'", "Did you mean 'least'?"),
    ],
)
def test_a_value_that_does_not_fit_is_told(given: dict[str, str], said: str, mend: str) -> None:
    with pytest.raises(UsageError) as e:
        filled(TEXT, given, "p.intent")
    assert said in e.value.message
    assert mend in e.value.hint


def test_what_is_not_declared_or_no_value_is_told_with_its_place() -> None:
    with pytest.raises(LanguageError, match=r"there is no parameter '\$n'") as e:
        filled("transform orders first $n", {}, "p.intent")
    assert e.value.hint == "Declare it at the top: param n = 10"
    with pytest.raises(LanguageError, match="'price \\* 2' is no value") as e:
        filled("\nparam n = price * 2\ntransform orders first $n", {}, "p.intent")
    assert e.value.where == "p.intent, line 2"


def test_a_pipeline_runs_with_its_parameters(app: Intendant) -> None:
    write(app, picked=TEXT)
    assert app.run("picked", {"least": "80", "day": "2025-01-01"}).status == "succeeded"
    assert app.sql("SELECT min(amount), count(DISTINCT country) FROM picked")["rows"] == [[82, 1]]
    assert app.run("picked", {"nope": "1"}).error["message"] == "picked.intent has no parameter 'nope'"  # type: ignore[index]
    with pytest.raises(UnknownName, match="picked"):
        app.run("pickd")


# ---------------------------------------------------------------- order
CHAIN = {
    "c_report": "query marts_a join marts_b on id aggregate count",
    "a_marts": "transform clean filter id > 0 into marts_a",
    "b_marts": "transform clean filter amount > 5 into marts_b",
    "z_clean": "transform orders filter amount > 1 into clean",
}


def test_each_comes_after_what_it_reads(app: Intendant) -> None:
    write(app, **CHAIN)
    assert [p.name for p in ordered(opened(app))] == ["z_clean", "a_marts", "b_marts", "c_report"]
    assert [p.name for p in ordered(opened(app), ["b_marts"])] == ["z_clean", "b_marts"]


def test_only_what_is_due_runs_and_says_why(app: Intendant, tmp_path: Path) -> None:
    write(app, **CHAIN)
    assert set(statuses(build(app, dry_run=True)).values()) == {"due"}
    assert not app.lake.exists("clean")
    assert set(statuses(build(app)).values()) == {"succeeded"}
    assert set(statuses(build(app)).values()) == {"fresh"}
    write(app, b_marts="transform clean filter amount > 7 into marts_b")
    again = {r["pipeline"]: r for r in build(app)}
    assert statuses(list(again.values())) == {
        "z_clean": "fresh", "a_marts": "fresh", "b_marts": "succeeded", "c_report": "succeeded"}  # fmt: skip
    assert again["b_marts"]["why"] == "it is new, or was changed"
    app.load(tmp_path / "orders.csv", "orders")
    assert due(app, opened(app)["z_clean"]) == "orders has changed"
    assert {r["why"] for r in build(app, ["a_marts"], dry_run=True)} == {"orders has changed", "z_clean runs before it"}
    assert set(statuses(build(app)).values()) == {"succeeded"}
    app.do("transform marts_a first 3", approve=True)
    assert due(app, opened(app)["a_marts"]) == "marts_a was changed by another run"
    app.do("drop marts_b", approve=True)
    assert due(app, opened(app)["b_marts"]) == "marts_b is gone"
    assert set(statuses(build(app, ["z_clean"], every=True)).values()) == {"succeeded"}


def test_what_needs_one_that_failed_is_skipped(app: Intendant) -> None:
    write(app, **{**CHAIN, "a_marts": "transform clean derive x = number(note) into marts_a"})
    done = {r["pipeline"]: r for r in build(app)}
    assert statuses(list(done.values())) == {
        "z_clean": "succeeded", "a_marts": "failed", "b_marts": "succeeded", "c_report": "skipped"}  # fmt: skip
    assert done["c_report"]["why"] == "a_marts did not succeed"
    assert "note" in str(done["a_marts"]["error"]) or "number" in str(done["a_marts"]["error"])


def test_a_circle_and_two_writers_say_in_which_lines_they_are(app: Intendant) -> None:
    back = "transform y filter amount > 2 into z\ntransform z distinct into x\n"
    write(app, a="# one\ntransform x\n  filter amount > 1\n  into y\n", b=back)
    with pytest.raises(UsageError) as circle:
        ordered(opened(app))
    assert circle.value.message == "pipelines need each other: a -> b -> a"
    assert circle.value.where == (
        "a.intent, line 2, reads x, which b.intent, line 2, writes; b.intent, line 1, reads y, which a.intent, line 2, writes"
    )
    write(app, a="transform orders filter amount > 1 into x\n", b="\ntransform orders distinct into X\n")
    with pytest.raises(UsageError) as twice:
        ordered(opened(app))
    assert str(twice.value) == (
        "'a' and 'b' both write x (at a.intent, line 1 and b.intent, line 2). "
        "One table has one pipeline: put both in one file, or write to another table by `into`."
    )


def test_a_column_that_is_gone_is_named_with_what_took_it_away(app: Intendant) -> None:
    write(app, big="# big ones\ntransform orders\n  filter amount > 10\n  into big\n")
    assert app.run("big").status == "succeeded"
    taken = app.do("transform orders rename amount to total", approve=True)
    assert taken.status == "succeeded"
    failed = app.run("big", approve=True)
    assert failed.status == "failed" and failed.error is not None
    assert failed.error["message"] == "there is no column 'amount'"
    assert failed.error["where"].startswith("big.intent, line 3, column 10, in `filter amount > 10`")
    assert failed.error["hint"].startswith(
        "'amount' was in orders until version 0; "
        f"version 1, of run {taken.run_id} by `transform orders rename amount to total`, has no such column. "
    )
    row = build(app, ["big"], dry_run=True)[0]
    assert row["error"]["where"].startswith("big.intent, line 3") and "until version 0" in row["error"]["hint"]


def test_circles_two_writers_and_unknown_names_are_told(app: Intendant) -> None:
    write(app, a="transform y first 3 into x", b="transform x first 3 into y")
    with pytest.raises(UsageError, match="pipelines need each other: a -> b -> a"):
        ordered(opened(app))
    write(app, b="transform orders first 3 into x")
    with pytest.raises(UsageError, match="'a' and 'b' both write x"):
        ordered(opened(app))
    with pytest.raises(UnknownName, match="nope"):
        build(app, ["nope"])
    with pytest.raises(UsageError, match="no pipeline has a parameter 'day'"):
        build(app, given={"day": "2026-01-01"})
    write(app, b="transfrm orders into x")
    with pytest.raises(LanguageError) as e:
        opened(app)
    assert str(e.value.where).startswith("b.intent, line 1")


# ---------------------------------------------------------------- side by side
class Watch:
    """What runs at the same time: tables between the start of their step and its publish, and waits put in their way."""

    def __init__(self, *meeting: str) -> None:
        self.meeting = {t: threading.Event() for t in meeting}
        self.met: dict[str, bool] = {}
        self.now: set[str] = set()
        self.most = 0
        self.lock = threading.Lock()

    def __call__(self, kind: str, data: Mapping[str, object]) -> None:
        name = str(data.get("table", ""))
        if kind == "data.ready":
            with self.lock:
                self.now.add(name)
                self.most = max(self.most, len(self.now))
            if name in self.meeting:
                self.meeting[name].set()
                self.met[name] = all(e.wait(10) for e in self.meeting.values())
            else:
                time.sleep(0.05)
        if kind == "table.published" and "version" in data:
            with self.lock:
                self.now.discard(name)


def test_pipelines_that_share_no_table_run_at_the_same_time(app: Intendant) -> None:
    app.do("transform orders filter id > 0 into bills")
    write(app, a="transform orders filter id > 1 into a", b="transform bills filter id > 2 into b")
    app.loop.watch = watch = Watch("a", "b")
    assert set(statuses(build(app, jobs=2)).values()) == {"succeeded"}
    assert watch.met == {"a": True, "b": True}


def test_two_that_read_one_table_run_at_the_same_time_too(app: Intendant) -> None:
    write(app, a="transform orders filter id > 1 into a", b="transform orders filter id > 2 into b")
    app.loop.watch = watch = Watch("a", "b")
    build(app)
    assert watch.met == {"a": True, "b": True}


@pytest.mark.parametrize(
    "files",
    [
        {"a": "transform orders filter id > 1 into a", "b": "transform a filter id > 2 into b", "c": "transform b filter id > 3 into c"},
        {"a": "check orders for id above 3 on failure quarantine\ntransform bills first 3 into a", "b": "transform orders first 2 into b"},
        {"a": "archive orders where id < 9\ntransform bills first 3 into a", "b": "transform orders first 2 into b"},
    ],
    ids=["a chain", "a check that sets rows aside", "an archive"],
)  # fmt: skip
def test_those_that_meet_in_a_table_never_run_at_the_same_time(app: Intendant, files: dict[str, str]) -> None:
    app.do("transform orders filter id > 0 into bills")
    write(app, **files)
    found = opened(app)
    assert found["a"].meets(found["b"]) and found["b"].meets(found["a"])
    app.loop.watch = watch = Watch()
    assert set(statuses(build(app, jobs=4, approve=True)).values()) == {"succeeded"}
    assert watch.most == 1 and not watch.now


def test_one_job_runs_one_after_the_other_and_none_is_an_error(app: Intendant) -> None:
    write(app, a="transform orders filter id > 1 into a", b="transform orders filter id > 2 into b")
    app.loop.watch = watch = Watch()
    assert [r["pipeline"] for r in build(app, jobs=1)] == ["a", "b"]
    assert watch.most == 1
    with pytest.raises(UsageError, match="--jobs is 0"):
        build(app, jobs=0)


def test_a_failure_stops_those_that_need_it_and_the_others_go_on(app: Intendant) -> None:
    chains = {f"{c}{n}": f"transform {c}{n - 1 if n else '_in'} filter id > {n} into {c}{n}" for c in "xy" for n in range(3)}
    app.do("transform orders filter id > 0 into x_in\ntransform orders filter id > 0 into y_in")
    write(app, **{**chains, "x1": "transform x0 derive n = number(note) into x1"})
    assert statuses(build(app, jobs=3)) == {
        "x0": "succeeded", "x1": "failed", "x2": "skipped", "y0": "succeeded", "y1": "succeeded", "y2": "succeeded"}  # fmt: skip


# ---------------------------------------------------------------- backfill
MONTH = "param from = date '2026-01-01'\nparam to = date '2026-02-01'\n" + (
    "query orders filter day >= $from and day < $to aggregate count as n"
)


def test_a_backfill_runs_once_a_period_and_goes_on_where_it_was_broken_off(app: Intendant) -> None:
    write(app, monthly=MONTH)
    spans = periods(date(2026, 1, 1), date(2026, 4, 1), "month")
    first = list(backfill(app, "monthly", spans[:1]))
    assert [r["status"] for r in first] == ["succeeded"]
    done = list(backfill(app, "monthly", spans))
    assert [(r["from"], r["status"]) for r in done] == [
        ("2026-01-01", "fresh"), ("2026-02-01", "succeeded"), ("2026-03-01", "succeeded")]  # fmt: skip


def test_a_backfill_ends_at_the_first_that_fails(app: Intendant) -> None:
    write(app, monthly=MONTH.replace("query orders", "query nothing"))
    done = list(backfill(app, "monthly", periods(date(2026, 1, 1), date(2026, 4, 1), "month")))
    assert [r["status"] for r in done] == ["failed"]


def test_periods() -> None:
    assert len(periods(date(2026, 1, 1), date(2026, 1, 11), "day")) == 10
    weeks = periods(date(2026, 1, 1), date(2026, 1, 20), "week")
    assert [s.isoformat() for s, _ in weeks] == ["2026-01-01", "2026-01-05", "2026-01-12", "2026-01-19"]
    assert weeks[-1][1] == date(2026, 1, 20)
    day = date(2026, 1, 1)
    for start, end, every in ((day, day, "day"), (day, date(2026, 2, 1), "hour"), (date(1900, 1, 1), day, "day")):
        with pytest.raises(UsageError):
            periods(start, end, every)


def test_a_backfill_needs_both_parameters(app: Intendant) -> None:
    write(app, monthly="query orders aggregate count")
    with pytest.raises(UsageError, match=r"monthly.intent has no parameter 'from'") as e:
        list(backfill(app, "monthly", []))
    assert "param to = date" in e.value.hint


def test_the_commands(app: Intendant) -> None:
    write(app, monthly=MONTH, z_clean=CHAIN["z_clean"])
    app.close()

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "intendant.faces.cli", *args, "-w", str(app.workspace.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done

    assert '"due"' in run("build", "--dry-run", "--json").stdout
    assert "succeeded" in run("build", "z_clean", "--jobs", "3").stdout
    done = run("backfill", "monthly", "2026-01-01..2026-03-01", "--every", "month")
    assert "2026-02-01..2026-03-01 succeeded" in done.stderr
    run("run", "monthly", "--set", "from=2026-01-05")


def test_one_reads_a_file_with_its_place(app: Intendant) -> None:
    (app.workspace.root / "pipelines" / "bad.intent").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"bad\.intent can't be read"):
        one(app, "bad")
