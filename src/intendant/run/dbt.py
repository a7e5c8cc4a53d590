"""Pipelines as a dbt project that dbt-duckdb runs unchanged: a model for each table that they make, the lake's other tables as
sources, their rules as tests.

The SQL is that of a run, with names as `ref` and `source`. What dbt can't say (loading, setting rows aside, archives) is named
with its reason, in the answer and in the project's README.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from sqlglot import exp

from intendant.actions import actions
from intendant.checks.contracts.base import LeftOut, short_name
from intendant.checks.contracts.document import dumped
from intendant.checks.rules import rules_of
from intendant.engines.base import text
from intendant.errors import LanguageError, UsageError
from intendant.language import print_step
from intendant.language.to_sql import column_sql
from intendant.operators._compile import Typing, apply, sql_text
from intendant.operators.base import Relation, select_from, table_sql
from intendant.run.dbt_project import LAKE, SOURCE, escaped, fixed, plain_name, readme, test_files
from intendant.run.pipelines import MAKES, Pipeline, last_of, opened, ordered
from intendant.run.rulebook import exported as exported_rules
from intendant.types import Json, Snapshot, Step, split_table

if TYPE_CHECKING:
    from intendant.app import Intendant

__all__ = ["exported"]

WRITTEN = ".intendant-export"
"""Lists the files of an export, so that the next one can replace them."""
REASONS = {
    "ingest": "dbt loads nothing; its table is read as a source, as it is now",
    "check": "dbt runs its rules as tests, and a test that fails stops; it sets no rows aside and rolls nothing back",
    "archive": "dbt moves no rows into an archive",
    "drop": "dbt drops no tables",
    "restore": "dbt knows no versions of a table",
    "export": "dbt writes tables, not this file",
    "deliver": "dbt writes into its own database only",
    "query": "a query makes no table",
    "schedule": "dbt has no scheduler of its own",
}


@dataclass(frozen=True)
class Model:
    """A table of the pipelines. `passing` is one that a later step of theirs writes again: a view in between."""

    name: str
    table: str
    sql: str
    said: str
    passing: bool = False


def exported(
    app: Intendant, names: Sequence[str], out: Path | None = None, given: Mapping[str, str] | None = None
) -> dict[str, Json]:
    """Writes the project into `out` (WORKSPACE/dbt/NAME): {"project", "pipelines", "models", "sources", "tests", "left_out"}.

    Raises UnknownName, UsageError (a folder that holds something else, a table that isn't there yet), LanguageError.
    """
    if app.workspace.place.url:
        raise UsageError(
            "a lake on object storage can't be read by the dbt project yet",
            where=app.workspace.place.url,
            hint="Export the tables it would read (`export TABLE to 'out/TABLE.parquet'`), or use a lake in the folder.",
        )
    found = opened(app, given)
    plan = [p for p in ordered(found, names) if p.name in names]
    name = plain_name("_".join(p.name for p in plan)[:60])
    out = out or app.workspace.root / "dbt" / name
    project = Project(app, plan)
    files = {**fixed(name, str(app.lake.root)), **project.files()}
    left = [x.as_dict() for x in project.left_out]
    models = [{"name": m.name, "table": m.table} for m in project.models if not m.passing]
    sources = [{"table": s.table, "version": s.version} for s in project.sources.values()]
    shown = [f"`{m['table']}`: model `{m['name']}`" for m in models]
    read = [f"`{s['table']}`, version {s['version']}" for s in sources]
    files["README.md"] = readme(name, [p.name for p in plan], shown, read, left)
    written(out, files)
    return {
        "project": str(out),
        "pipelines": [p.name for p in plan],
        "models": models,
        "sources": sources,
        "tests": project.tests,
        "left_out": [{"what": x["what"], "why": x["why"]} for x in left],
    }


def written(out: Path, files: Mapping[str, str]) -> None:
    """Writes the files, and removes those of the export before. Raises UsageError for a folder of something else."""
    marker = out / WRITTEN
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not marker.exists())):
        raise UsageError(f"{str(out)!r} holds something else", hint="Name an empty folder: --out DIR.")
    for line in marker.read_text(encoding="utf-8").splitlines() if marker.exists() else ():
        if (old := (out / line)).resolve().is_relative_to(out.resolve()):
            old.unlink(missing_ok=True)
    for name, content in {**files, WRITTEN: "".join(f"{n}\n" for n in files)}.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


class Project:
    """What is exported, gathered step by step."""

    def __init__(self, app: Intendant, plan: Sequence[Pipeline]) -> None:
        self.app, self.plan = app, plan
        self.typing = Typing(app.engine, app.lake.snapshot)
        self.catalog = app.knowledge.catalog()
        self.models: list[Model] = []
        self.sources: dict[str, Snapshot] = {}
        self.left_out: list[LeftOut] = []
        self.latest: dict[str, Model] = {}
        self.writes = [self.target(s) for p in plan for s in p.plan.steps if s.verb in MAKES]
        self.tests = 0
        self.used: list[str] = []
        for p in plan:
            for step in p.plan.steps:
                self.step(p, step)

    def target(self, step: Step) -> str:
        return str(step.get("target") or step.args["table"]).lower()

    def step(self, p: Pipeline, step: Step) -> None:
        if step.verb not in MAKES:
            tolerant = step.verb == "check" and step.get("rules") and step.get("on_failure") == "warn"
            if not tolerant:
                self.leave(print_step(step), REASONS.get(step.verb, "dbt has no such step"))
            return
        action = actions()[step.verb]
        for table in self.read_by(step):
            self.relation(table, p)
        step = action.resolve(step, self.catalog, self.typing)
        relation = self.query(step)
        sql = self.jinja(relation.query, p)
        table = str(step.get("target") or step.args["table"])
        self.catalog = action.after(step, self.catalog, self.typing)
        self.writes.remove(table.lower())
        passing = table.lower() in self.writes
        taken = [m.name for m in self.models]
        base = plain_name(table.replace(".", "__"))
        name = plain_name(f"{base}__{sum(m.table == table for m in self.models) + 1}" if passing else base, taken)
        self.latest[table.lower()] = Model(name, table, sql, f"{p.name}: {print_step(step)}", passing)
        self.models.append(self.latest[table.lower()])

    def read_by(self, step: Step) -> list[str]:
        return [str(step.args["table"]), *(str(o.args["table"]) for o in step.get("operators") or () if o.get("table"))]

    def query(self, step: Step) -> Relation:
        table = str(step.args["table"])
        if step.verb == "transform":
            made = apply(table, step.args["operators"], self.catalog, self.typing, f"`{print_step(step)}`")
            return made if not isinstance(made.query, exp.Table) else replace(made, query=select_from(made))
        if step.get("partition"):
            self.leave(print_step(step), "the table is made; its partitions are not")
        relation = Relation(table_sql(table), self.catalog.table(table).columns)
        query = select_from(relation)
        for c in step.get("sort") or ():
            query = query.order_by(exp.Ordered(this=column_sql(c), nulls_first=False), copy=False)
        return replace(relation, query=query)

    def leave(self, what: str, why: str) -> None:
        self.left_out.append(LeftOut(what, why))

    # ------------------------------------------------------------ names
    def relation(self, table: str, p: Pipeline | None = None) -> str:
        """`ref` of the model that made the table last, `source` of the lake's table when none has. Raises UsageError."""
        made = self.latest.get(table.lower())
        if made is not None:
            return f"ref('{made.name}')"
        if table.lower() not in self.sources:
            if not self.app.lake.exists(table):
                raise UsageError(
                    f"the table {table!r} is not there yet",
                    hint="Run the pipeline once: its tables are read as they are.",
                )
            found = self.version(table, p)
            self.sources[table.lower()] = found
            self.catalog = self.catalog.with_table(found.table, found.columns)
        return f"source('{SOURCE}', '{self.source_name(table)}')"

    def source_name(self, table: str) -> str:
        own = list(self.sources)
        names: list[str] = []
        for other in own[: own.index(table.lower()) + 1]:
            names.append(plain_name(other.replace(".", "__"), names))
        return names[-1]

    def version(self, table: str, p: Pipeline | None) -> Snapshot:
        """The table as it is; one that the pipeline changes in place, as its last run found it."""
        current = self.app.lake.snapshot(table)
        last = last_of(self.app, p) if p is not None and table.lower() in self.writes else None
        if last is None:
            return current
        for e in self.app.journal.events(last[0], kinds=["table.published"]):
            if current.table in (inputs := e.data.get("inputs") or {}):
                return self.app.lake.snapshot(table, int(inputs[current.table]))
        return current

    def jinja(self, query: exp.Expression, p: Pipeline | None) -> str:
        """The query as a model's text: tables as `ref` and `source`, anything that looks like jinja escaped."""
        sql_text(query)  # raises LanguageError for one that is too deep
        tree, marks = query.copy(), dict[str, str]()
        for n, found in enumerate(t for t in list(tree.find_all(exp.Table)) if t.db):
            mark = f"intendant_table_{n}_"
            name = found.name if found.db == "main" else f"{found.db}.{found.name}"
            marks[mark] = f"{{{{ {self.relation(name, p)} }}}}"
            found.set("this", exp.to_identifier(mark, quoted=False))
            found.set("db", None)
        if any(m in sql_text(query) for m in marks):
            raise LanguageError("a name in the step looks like our own marks", hint="Rename intendant_table_... in it.")
        sql = escaped(str(tree.sql(dialect="duckdb", pretty=True)))
        for mark, put in marks.items():
            sql = re.sub(rf"\b{mark}\b", lambda m, put=put: put, sql)  # type: ignore[misc]
        return sql

    # ------------------------------------------------------------ files
    def files(self) -> dict[str, str]:
        """Path to text: models, their tests, sources, generic tests. Fills `left_out` and `tests`."""
        out = {f"models/{m.name}.sql": model_text(m) for m in self.models}
        described = [d for m in self.models if not m.passing and (d := self.ruled(m.table, m.name))]
        tables, done = [], 0
        while done < len(self.sources):  # a rule of one may refer to another
            snapshot = list(self.sources.values())[done]
            tables.append(self.source(snapshot))
            done += 1
        if described:
            out["models/schema.yml"] = dumped({"version": 2, "models": described})
        if tables:
            out["models/sources.yml"] = dumped({"version": 2, "sources": [{"name": SOURCE, "tables": tables}]})
        return out | test_files(self.used)

    def source(self, snapshot: Snapshot) -> dict[str, Json]:
        name = self.source_name(snapshot.table)
        scan, root = self.app.engine.scan(snapshot), text(f"{self.app.lake.root}/")[:-1]
        where = f"'{{{{ var('{LAKE}') | replace(\"'\", \"''\") }}}}/"
        location = where.join(escaped(part.replace("$", "$$")) for part in scan.split(root))
        ruled = self.ruled(snapshot.table, name) if snapshot.table.lower() not in self.latest else {}
        meta = {"external_location": f"({location})", "formatter": "template"}
        return {
            **ruled,
            "name": name,
            "description": escaped(f"{snapshot.table}, version {snapshot.version}"),
            "config": {"meta": meta},
        }

    def ruled(self, table: str, name: str) -> dict[str, Json]:
        """A table's rules as the tests of its model or source, {} when it has none."""
        if not self.app.lake.exists(table):
            return {}
        settings = self.app.lake.settings(table)
        made = exported_rules(self.app, table, "dbt")
        for left in made["left_out"]:
            self.leave(f"{table}: {left['what']}", left["why"])
        [block] = yaml.safe_load(made["text"])["models"]
        refs = {short_name(t): t for r in rules_of(settings) if r.ref for t in [r.ref.rpartition(".")[0]]}
        warns = (settings.get("on_failure") or self.app.workspace.policy.on_failure) == "warn"
        for holder in (block, *block.get("columns", ())):
            holder["data_tests"] = [self.test(t, refs, warns) for t in holder.get("data_tests", ())]
            self.tests += len(holder["data_tests"])
        columns = [{**c, "name": escaped(c["name"]), "quote": True} for c in block.get("columns", ())]
        out = {"name": name, "data_tests": block["data_tests"], "columns": columns}
        return {k: v for k, v in out.items() if v} if block["data_tests"] or columns else {}

    def test(self, test: Json, refs: Mapping[str, str], warns: bool) -> Json:
        """A test under the project's own name for it, its texts safe from jinja, with its severity."""
        kind, spec = (test, {}) if isinstance(test, str) else next(iter(test.items()))
        kind = str(kind).rpartition(".")[2]
        self.used.append(kind)
        arguments = {k: safe(v) for k, v in (spec.get("arguments") or {}).items()}
        if kind == "relationships":
            short = str(arguments["to"]).removeprefix("ref('").removesuffix("')")
            arguments["to"] = self.relation(refs.get(short, short))
        if kind == "accepted_values":  # dbt puts each between quotes as it is
            arguments["values"] = [v.replace("'", "''") if isinstance(v, str) else v for v in arguments["values"]]
        if kind == "relationships" and isinstance(arguments.get("field"), str):
            arguments["field"] = exp.to_identifier(arguments["field"], quoted=True).sql("duckdb")
        body: dict[str, Json] = {"arguments": arguments} if arguments else {}
        if warns:
            body["config"] = {"severity": "warn"}
        return {kind: body} if body else kind


def safe(value: Json) -> Json:
    if isinstance(value, list):
        return [safe(v) for v in value]
    return escaped(value) if isinstance(value, str) else value


def model_text(m: Model) -> str:
    schema, alias = split_table(m.table)
    config = [f"materialized='{'view' if m.passing else 'table'}'"]
    if not m.passing:
        config += [f"alias={jinja_text(alias)}"] if alias != m.name else []
        config += [f"schema='{schema}'"] if schema != "main" else []
    said = escaped(m.said).replace("\n", "\n-- ").replace("\r", " ")
    return f"{{{{ config({', '.join(config)}) }}}}\n-- {said}\n{m.sql}\n"


def jinja_text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
