"""Pipelines as dbt projects: their files always, and what dbt makes of them where dbt-duckdb is installed.

`DBT=/path/to/venv/bin/dbt` names one of another environment.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

from intendant import Intendant
from intendant.errors import UnknownName, UsageError
from intendant.faces.cli import app as cli
from intendant.run.dbt import exported
from intendant.types import Json

ODD = "it's {{ odd }} $x {# 1 #}"
CLEAN = f"""ingest shop.orders into staging.orders
check staging.orders for unique id, not null id on failure quarantine
transform staging.orders derive amount = amount * 2
transform staging.orders
  filter amount > 2
  derive note = '{ODD.replace("'", "''")}'
  derive day = id % 5
  into orders
check orders for unique id, amount between 0 and 1000, country in ('ES', 'DE', 'O''Hara'), country references places.code, country matches '[A-Z''a-z]+' on failure rollback
transform orders
  join places on country = code
  rank by amount descending per country as place
  into ranked
"""  # noqa: E501
REPORT = """transform ranked
  group by name: sum amount as total, count as n, avg amount as mean
  sort by total descending
  into by_place
transform ranked pivot country: sum amount by day into "wide table"
transform orders union orders distinct into both
provision mart from ranked partition by country sort by day
check by_place for not null total, row count between 1 and 10 on failure warn
query by_place top 1 by total
export by_place to 'out/by_place.csv'
archive orders where id > 1000
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intendant]:
    root = tmp_path_factory.mktemp("dbt") / "it's a place"
    (root / "drops").mkdir(parents=True)
    countries = ["ES", "DE", "O'Hara"]
    lines = [f"{i},{countries[i % 3]},{i * 1.25}" for i in range(1, 41)]
    (root / "drops" / "orders.csv").write_text("\n".join(["id,country,amount", *lines]) + "\n")
    (root / "drops" / "places.csv").write_text("code,name\nES,Spain\nDE,Germany\nO'Hara,Tara\n")
    (root / "intendant.toml").write_text('[sources.shop]\nkind = "files"\npath = "drops/"\n')
    with Intendant.init(root) as app:
        app.load(root / "drops" / "places.csv", "places")
        (root / "pipelines" / "clean.intent").write_text(CLEAN)
        (root / "pipelines" / "report.intent").write_text(REPORT)
        assert app.run("clean").status == "succeeded"
        done = app.run("report", approve=True)
        assert done.status == "succeeded", done.error
        yield app


@pytest.fixture(scope="module")
def made(app: Intendant) -> dict[str, Json]:
    return exported(app, ["report", "clean"])


# ---------------------------------------------------------------- the files
def test_every_table_of_the_pipelines_is_a_model_and_the_others_are_sources(made: dict[str, Json]) -> None:
    assert made["pipelines"] == ["clean", "report"]
    assert [(m["name"], m["table"]) for m in made["models"]] == [
        ("staging__orders", "staging.orders"), ("orders", "orders"), ("ranked", "ranked"), ("by_place", "by_place"),
        ("wide_table", "wide table"), ("both", "both"), ("mart", "mart")]  # fmt: skip
    assert [s["table"] for s in made["sources"]] == ["staging.orders", "places"]


def test_a_source_that_is_changed_in_place_is_read_as_the_last_run_found_it(
    app: Intendant, made: dict[str, Json]
) -> None:
    [orders, places] = made["sources"]
    assert orders["version"] == app.lake.snapshot("staging.orders").version - 1
    assert places["version"] == 0


def test_models_name_each_other_by_ref_and_the_lake_by_source(made: dict[str, Json]) -> None:
    models = Path(made["project"]) / "models"
    first, ranked = ((models / f"{n}.sql").read_text() for n in ("staging__orders", "ranked"))
    assert "{{ source('lake', 'staging__orders') }}" in first and "alias='orders', schema='staging'" in first
    assert "{{ ref('orders') }}" in ranked and "{{ source('lake', 'places') }}" in ranked
    assert "{{ '{' }}{ odd }}" in (models / "orders.sql").read_text()


def test_sources_are_the_exact_files_under_the_variable(app: Intendant, made: dict[str, Json]) -> None:
    root = Path(made["project"])
    tables = yaml.safe_load((root / "models" / "sources.yml").read_text())["sources"][0]["tables"]
    location = next(t for t in tables if t["name"] == "places")["config"]["meta"]["external_location"]
    [file] = app.lake.snapshot("places").files
    assert Path(file).name in location and str(app.lake.root) not in location and "var('lake')" in location
    assert yaml.safe_load((root / "dbt_project.yml").read_text())["vars"] == {"lake": str(app.lake.root)}


def test_rules_are_tests_and_those_that_only_warn_have_that_severity(made: dict[str, Json]) -> None:
    root = Path(made["project"])
    models = {m["name"]: m for m in yaml.safe_load((root / "models" / "schema.yml").read_text())["models"]}
    tests = {c["name"]: c["data_tests"] for c in models["orders"]["columns"]}
    assert (
        tests["id"] == ["unique"]
        and {"accepted_range": {"arguments": {"min_value": 0, "max_value": 1000}}} in tests["amount"]
    )
    assert {"relationships": {"arguments": {"to": "source('lake', 'places')", "field": '"code"'}}} in tests["country"]
    assert models["by_place"]["columns"][0]["data_tests"] == [{"not_null": {"config": {"severity": "warn"}}}]
    files = {p.stem for p in (root / "tests" / "generic").iterdir()}
    assert files == {"accepted_range", "expect_column_values_to_match_regex", "expect_table_row_count_to_be_between"}
    assert made["tests"] == 9


def test_what_dbt_can_not_say_is_told_with_its_reason(made: dict[str, Json]) -> None:
    left = {x["what"].partition(" ")[0]: x["why"] for x in made["left_out"]}
    assert set(left) == {"ingest", "check", "provision", "query", "export", "archive"}
    assert "dbt loads nothing" in left["ingest"]
    said = (Path(made["project"]) / "README.md").read_text()
    assert all(x["what"] in said and x["why"] in said for x in made["left_out"])
    assert "`ranked`: model `ranked`" in said and "dbt build --vars" in said


def test_a_second_export_replaces_the_first_and_touches_nothing_else(app: Intendant, tmp_path: Path) -> None:
    exported(app, ["clean"], tmp_path / "p")
    (tmp_path / "p" / "mine.txt").write_text("mine")
    exported(app, ["report"], tmp_path / "p")
    assert not (tmp_path / "p" / "models" / "orders.sql").exists() and (tmp_path / "p" / "mine.txt").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a")
    with pytest.raises(UsageError, match="holds something else"):
        exported(app, ["clean"], tmp_path / "full")
    assert [f.name for f in (tmp_path / "full").iterdir()] == ["a.txt"]


def test_an_unknown_pipeline_and_one_that_never_ran_are_told(app: Intendant, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="cleen"):
        exported(app, ["cleen"], tmp_path / "p")
    later = app.workspace.root / "pipelines" / "later.intent"
    later.write_text("ingest shop.places into staging.places\ntransform staging.places distinct into once")
    try:
        with pytest.raises(UsageError, match=r"'staging\.places' is not there yet") as e:
            exported(app, ["later"], tmp_path / "p")
        assert "Run the pipeline once" in e.value.hint
    finally:
        later.unlink()


def test_the_command(app: Intendant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["dbt", "export", "clean", "--out", str(tmp_path / "p"), "-w", str(app.workspace.root)]
    cli(args=[*words, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["project"] == str(tmp_path / "p")
    cli(args=words, standalone_mode=False)
    assert "3 models, 2 sources" in capsys.readouterr().out


# ---------------------------------------------------------------- dbt itself
def dbt() -> list[str]:
    """The command that runs dbt, [] where there is none."""
    if named := os.environ.get("DBT"):
        return [named]
    both = importlib.util.find_spec("dbt") and shutil.which("dbt", path=str(Path(sys.executable).parent))
    return [both] if both else []


def built(project: Path, *more: str) -> None:
    command = [*dbt(), "--no-use-colors", "build", "--project-dir", str(project), "--profiles-dir", str(project), *more]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "ERROR=0" in done.stdout and "WARN=0" in done.stdout


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[tuple[str, str]], Counter[tuple[str, ...]]]:
    described = [(c[0], c[1]) for c in con.execute(f"DESCRIBE {sql}").fetchall()]
    shown = ", ".join(
        f"format('{{:.10g}}', {q})" if t == "DOUBLE" else f"CAST({q} AS VARCHAR)"
        for n, t in described
        for q in ['"' + n.replace('"', '""') + '"']
    )
    return described, Counter(con.execute(f"SELECT {shown} FROM ({sql})").fetchall())


@pytest.mark.skipif(
    not dbt(), reason="dbt-duckdb is not installed (pip install 'dbt-core>=1.10.5,<2' dbt-duckdb, or DBT=/path/to/dbt)"
)
@pytest.mark.timeout(300)
def test_dbt_makes_the_tables_that_the_lake_has(app: Intendant, made: dict[str, Json], tmp_path: Path) -> None:
    project = Path(shutil.copytree(made["project"], tmp_path / "project"))
    lake = Path(shutil.copytree(app.lake.root, tmp_path / "o'lake"))
    built(project)
    built(project, "--vars", json.dumps({"lake": str(lake)}))
    [compiled] = (project / "target" / "compiled").rglob("models/ranked.sql")
    assert "/o''lake/" in compiled.read_text()
    lines = (project / "profiles.yml").read_text()
    copy = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).execute(f'EXPORT DATABASE {sys.argv[2]!r} (FORMAT parquet)')"
    file, there = (
        project / f"{lines.partition(':')[0]}.duckdb",
        str(tmp_path / "tables"),
    )  # it may be of another DuckDB than ours
    subprocess.run([str(Path(dbt()[0]).parent / "python"), "-c", copy, str(file), there], check=True)
    con, files = duckdb.connect(), {f.stem: f for f in Path(there).glob("*.parquet")}
    assert len(made["models"]) == 7
    for m in made["models"]:
        schema, _, name = m["table"].rpartition(".")
        file = files[f"{schema}_{name}" if schema else name.replace(" ", "_")]
        ours = rows(con, app.engine.scan(app.lake.snapshot(m["table"])))
        assert rows(con, f"FROM '{file}'") == ours, m
        assert ours[1].total() > 0


RULES = {
    "id between 0 and 40": "id between 0 and 39",
    "amount above 2": "amount below 100",
    "unique (country, id)": "unique country",
    "unique (id, country)": "unique (country, name)",
    "country in ('ES', 'DE', 'O''Hara')": "country in ('ES', 'DE')",
    "country references places.code": "id references places.code",
    "country matches '[A-Z''a-z]+'": "country matches 'E[S{]'",
    "row count between 1 and 40": "row count at most 7",
    "that amount > id": "that amount > id * 2.5",
    "not null note": "not null gap",
    "fresh within 100000 days by day": "fresh within 1 day by day",
}
"""A rule that the rows keep, and one that they break."""


@pytest.mark.skipif(
    not dbt(), reason="dbt-duckdb is not installed (pip install 'dbt-core>=1.10.5,<2' dbt-duckdb, or DBT=/path/to/dbt)"
)
@pytest.mark.timeout(300)
def test_dbt_passes_the_rules_that_the_rows_keep_and_finds_those_they_break(app: Intendant, tmp_path: Path) -> None:
    text = "transform ranked derive gap = case when id > 3 then id end derive day = timestamp '2026-01-01 00:00:00' into {}"
    for name, rules in (("kept", list(RULES)), ("broken", list(RULES.values()))):
        (app.workspace.root / "pipelines" / f"{name}.intent").write_text(text.format(name))
        assert app.run(name).status == "succeeded"
        rules = [r for r in rules if not r.startswith("id references")]
        done = app.do(f"check {name} for {', '.join(rules)} on failure warn")
        assert done.status == "succeeded", done.error
        assert len(done.findings) == (0 if name == "kept" else len(rules))
        project = Path(exported(app, [name], tmp_path / name)["project"])
        (app.workspace.root / "pipelines" / f"{name}.intent").unlink()
        command = [*dbt(), "--no-use-colors", "build", "--project-dir", str(project), "--profiles-dir", str(project)]
        said = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stdout[-4000:]
        assert f"WARN={0 if name == 'kept' else len(rules)} ERROR=0" in said.stdout, said.stdout[-4000:]
