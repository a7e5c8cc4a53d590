"""A workspace: a folder with intendant.toml, pipelines/*.intent and .intendant/; it can be copied and still works."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from intendant.catalog import Query
from intendant.errors import PathRefused, UsageError, WorkspaceError, did_you_mean
from intendant.objects.cold_place import Storage
from intendant.objects.place import LakePlace
from intendant.types import Json, OnFailure

__all__ = ["Control", "Engine", "Model", "Policy", "SchemaContract", "Thresholds", "Workspace"]

FILE = "intendant.toml"
SCHEMA, SCHEMA_WORDS = "schema", ("evolve", "freeze", "quarantine", "ask")
NAME, TAKEN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}"), ("public", "information_schema")
SECRET = re.compile(r"\$\{([^}]*)\}")
CHOICES = {
    "on_failure": (("rollback", "quarantine", "review", "warn"), "It is rollback, quarantine, review or warn."),
    "on_drift": (("", "rollback", "review", "warn"), "It is rollback, review or warn; without it on_failure holds."),
    "on_impact": (("review", "warn"), "It is review (a person is asked) or warn."),
    "on_bad_value": (("quarantine", "fail", "null"), "It is quarantine, fail or null."),
}
LEAST = {"plan_budget_gb": 0, "join_budget_rows": 0, "join_budget_factor": 1}
TEMPLATE = """# What this workspace knows. Secrets stay outside: write "${ENV_NAME}" or "${keyring:SERVICE/USER}".

[policy]
# on_failure = "warn"           # what a failed check does when it doesn't say: rollback, quarantine, review, warn
# volume_guard = 0.5            # a replacing load may lose at most this share of the rows
# quota_gb = 50.0               # propose archiving when the lake comes near

# [sources.sales_api]
# kind = "rest"
# url = "https://api.example.com"
# auth = { bearer = "${SALES_TOKEN}" }
# resources = { orders = { path = "/orders", key = "order_id", timestamp = "created_at" } }
"""


@dataclass(frozen=True)
class Policy:
    """`[policy]`: what may happen by itself."""

    on_failure: OnFailure = "warn"
    on_drift: OnFailure | Literal[""] = ""
    on_impact: Literal["review", "warn"] = "warn"
    on_bad_value: Literal["quarantine", "fail", "null"] = "quarantine"
    plan_budget_gb: float = 0.0
    join_budget_rows: int = 1_000_000
    join_budget_factor: float = 10.0
    volume_guard: float = 0.5
    quota_gb: float = 50.0
    provision_budget_gb: float = 10.0
    attempts: int = 4
    confirm_below: float = 0.9


@dataclass(frozen=True)
class Thresholds:
    """`[thresholds]`: levels of severity (mean of completeness and consistency, %) and priority (CPU, memory, %)."""

    severity_low: float = 85.0
    severity_medium: float = 70.0
    priority_high: float = 70.0
    priority_critical: float = 85.0
    dead_band: float = 1.0
    slow_query_ms: float = 1000.0
    drift_budget: float = 0.01
    drift_versions: int = 4
    drift_volume: float = 0.25
    drift_share: float = 0.03
    drift_distance: float = 0.15


@dataclass(frozen=True)
class SchemaContract:
    """`schema` of `[tables."NAME"]`: what becomes of a load that changes the table's columns, for each kind of change: evolve,
    freeze, quarantine or ask; "" is as without a contract."""

    new: str = ""
    missing: str = ""
    widened: str = ""
    narrowed: str = ""
    retyped: str = ""
    renamed: str = ""


@dataclass(frozen=True)
class Engine:
    """`[engine]`: `threads` and `memory_limit` are DuckDB's; with kind = "spark" the work of `transform` and `query` runs on
    Spark, at `master` in a JVM of ours with so much `driver_memory`, or at the Spark Connect server `url`."""

    kind: str = "duckdb"
    threads: int = 0
    memory_limit: str = ""
    url: str = ""
    master: str = "local[*]"
    driver_memory: str = "2g"
    options: Mapping[str, str] = field(default_factory=dict)
    """Further settings of Spark's, such as spark.sql.shuffle.partitions."""
    checks_from_rows: int = 100_000_000
    """Declared rules are counted by Spark on tables of at least so many rows."""


@dataclass(frozen=True)
class Model:
    """`[model]`: the planner's ("embedded", or a file); the one agents speak with: a server's `endpoint`, or a GGUF `path`;
    whether that one reads sentences too (`reads`), and whether nothing is planned while it doesn't answer (`must_answer`)."""

    planner: str = "embedded"
    endpoint: str = ""
    path: str = ""
    reads: bool = False
    must_answer: bool = False


@dataclass(frozen=True)
class Control:
    """`[state]`: where the journal, approvals, schedules and the state of runs are: files of this folder, or the PostgreSQL
    database `url`, in the `schema` that all machines of one workspace name. There a worker that hasn't been heard of for
    `lease_seconds` counts as dead, and a database that went away is waited for `wait_seconds`."""

    url: str = ""
    schema: str = "intendant"
    lease_seconds: float = 15.0
    wait_seconds: float = 30.0


@dataclass(frozen=True)
class Workspace:
    """The settings of a folder. `sources` are raw (secrets still `${...}`): `source_config` resolves one."""

    root: Path
    policy: Policy = field(default_factory=Policy)
    thresholds: Thresholds = field(default_factory=Thresholds)
    tables: Mapping[str, Thresholds] = field(default_factory=dict)
    """Of single tables, in small letters."""
    contracts: Mapping[str, SchemaContract] = field(default_factory=dict)
    """What `[tables."NAME"]` says of the columns of single tables, in small letters."""
    engine: Engine = field(default_factory=Engine)
    model: Model = field(default_factory=Model)
    sources: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    queries: Mapping[str, Query] = field(default_factory=dict)
    openlineage: Mapping[str, str] = field(default_factory=dict)
    control: Control = field(default_factory=Control)
    storage: Storage = field(default_factory=Storage)
    place: LakePlace = field(default_factory=LakePlace)

    @property
    def state(self) -> Path:
        return self.root / ".intendant"

    @property
    def lake(self) -> Path:
        return self.state / "lake"

    @classmethod
    def create(cls, folder: Path) -> Workspace:
        """Makes a workspace; an existing one is left as it is. Raises UsageError when the folder can't be used."""
        try:
            (folder / "pipelines").mkdir(parents=True, exist_ok=True)
            (folder / ".intendant").mkdir(exist_ok=True)
            if not (folder / FILE).exists():
                (folder / FILE).write_text(TEMPLATE, encoding="utf-8")
        except OSError as e:
            raise UsageError(
                f"{str(folder)!r} can't be made a workspace: {e.strerror}", hint="Choose another folder."
            ) from None
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Workspace:
        """Reads intendant.toml. Raises WorkspaceError that names the line or the key and the mend."""
        path = folder / FILE
        if not path.is_file():
            raise WorkspaceError(
                f"{str(folder)!r} is no workspace: it has no {FILE}", hint=f"Make one: `intendant init {folder}`."
            )
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as e:
            raise WorkspaceError(f"{FILE} can't be read: {e}", where=str(path), hint="Mend that line.") from None
        except OSError as e:
            raise WorkspaceError(
                f"{FILE} can't be read: {e.strerror}", where=str(path), hint="Look at its rights."
            ) from None
        except UnicodeDecodeError as e:
            raise WorkspaceError(
                f"{FILE} is not UTF-8 (byte {e.start})", where=str(path), hint="Save it as UTF-8."
            ) from None
        known = {f.name for f in fields(cls)} - {"root", "contracts", "control", "place"} | {"state", "lake"}
        for key in data:
            if key not in known:
                raise WorkspaceError(
                    f"unknown section [{key}]", where=str(path), hint=did_you_mean(key, known, "section")
                )
        (folder / ".intendant").mkdir(exist_ok=True)
        thresholds = _section(Thresholds, data, path)
        return cls(
            root=folder.resolve(),
            policy=_section(Policy, data, path),
            thresholds=thresholds,
            tables=_tables(data.get("tables", {}), thresholds, path),
            contracts=_contracts(data.get("tables", {}), path),
            engine=_section(Engine, data, path),
            model=_section(Model, data, path),
            sources=_sources(data.get("sources", {}), path),
            queries=_queries(data.get("queries", {}), path),
            openlineage=_openlineage(data.get("openlineage", {}), path),
            control=_section(Control, data, path, "state"),
            storage=_section(Storage, data, path),
            place=_section(LakePlace, data, path, "lake"),
        )

    def source_config(self, name: str) -> dict[str, Json]:
        """A source's settings with secrets filled in. Raises WorkspaceError for an unset variable (never its value)."""
        if name not in self.sources:
            raise WorkspaceError(f"there is no source {name!r}", hint=did_you_mean(name, self.sources, "source"))
        config = _filled(dict(self.sources[name]), f"sources.{name}")
        assert isinstance(config, dict)
        return config

    def lake_place(self) -> dict[str, Json]:
        """`[lake]` with secrets filled in. Raises WorkspaceError for an unset variable."""
        return {n: _filled(v, f"lake.{n}") for n, v in vars(self.place).items()}

    def cold_keys(self) -> dict[str, str]:
        """What `[storage]` says of the S3 storage of archives, secrets filled in. Raises WorkspaceError for an unset variable."""
        names = ("endpoint", "region", "access_key", "secret_key", "session_token")
        return {n: str(_filled(v, f"storage.{n}")) for n in names if (v := getattr(self.storage, n))}

    def control_url(self) -> str:
        """`[state] url` with secrets filled in, "" where the state is in files. Raises WorkspaceError for an unset variable."""
        return str(_filled(self.control.url, "state.url"))

    def engine_url(self, url: str) -> str:
        """The address of a Spark Connect server with its secrets filled in. Raises WorkspaceError for an unset variable."""
        return str(_filled(url, "url of [engine]"))

    def thresholds_of(self, table: str) -> Thresholds:
        """`[thresholds]`, and above it what `[tables."TABLE"]` says."""
        return self.tables.get(table.lower(), self.thresholds)

    def contract_of(self, table: str) -> SchemaContract:
        """What `[tables."TABLE"]` says of the table's columns."""
        return self.contracts.get(table.lower(), SchemaContract())

    def inside(self, path: str) -> Path:
        """A path inside the workspace, links resolved. Raises PathRefused for any other and for the state folder."""
        full = (self.root / path).resolve()
        if "\0" in path or not full.is_relative_to(self.root) or full.is_relative_to(self.state.resolve()):
            raise PathRefused(
                f"{path!r} is outside of what the workspace may write",
                where=str(self.root),
                hint="Use a path inside the workspace, such as 'out/file.parquet'.",
            )
        return full

    def pipelines(self) -> dict[str, Path]:
        """Pipeline files by name."""
        return {p.stem: p for p in sorted((self.root / "pipelines").glob("*.intent"))}


def _tables(given: Any, thresholds: Thresholds, path: Path) -> dict[str, Thresholds]:
    """`[tables."NAME"]`: thresholds of single tables; what they don't say is as in [thresholds]."""
    if not isinstance(given, Mapping):
        raise WorkspaceError("'tables' must hold sections", where=str(path), hint='Write [tables."staging.orders"].')
    own = {n: {k: v for k, v in s.items() if k != SCHEMA} if isinstance(s, Mapping) else s for n, s in given.items()}
    return {name.lower(): _section(Thresholds, own, path, name, f'tables."{name}"', thresholds) for name in own}


def _contracts(given: Mapping[str, Any], path: Path) -> dict[str, SchemaContract]:
    """`schema` of `[tables."NAME"]`: one word for every kind of change, or a word for each kind."""
    return {n.lower(): _contract(s[SCHEMA], f'tables."{n}".{SCHEMA}', path) for n, s in given.items() if SCHEMA in s}


def _contract(said: Any, name: str, path: Path) -> SchemaContract:
    kinds = [f.name for f in fields(SchemaContract)]
    each = said if isinstance(said, Mapping) else dict.fromkeys(kinds, said)
    for kind, word in each.items():
        if kind not in kinds:
            raise WorkspaceError(f"unknown key {kind!r} in {name}", where=str(path), hint=did_you_mean(kind, kinds, "key"))
        if word not in SCHEMA_WORDS:
            shown = name if each is not said else f"{name}.{kind}"
            raise WorkspaceError(f"{shown} is {word!r}", where=str(path), hint=f"It is {', '.join(SCHEMA_WORDS)}.")
    return SchemaContract(**each)


def _section(
    cls: type[Any], data: Mapping[str, Any], path: Path, key: str = "", shown: str = "", defaults: Any = None
) -> Any:
    key = key or cls.__name__.lower()
    name = shown or key
    values = data.get(key, {})
    if not isinstance(values, Mapping):
        raise WorkspaceError(f"{name!r} must be a section", where=str(path), hint=f"Write [{name}] and its keys below.")
    defaults = defaults or cls()
    known = [f.name for f in fields(cls)]
    out = {}
    for key, value in values.items():
        if key not in known:
            raise WorkspaceError(
                f"unknown key {key!r} in [{name}]", where=str(path), hint=did_you_mean(key, known, "key")
            )
        wanted = type(getattr(defaults, key))
        if (not isinstance(value, wanted) and not (wanted is float and isinstance(value, int))) or isinstance(
            value, bool
        ) != (wanted is bool):
            raise WorkspaceError(f"{name}.{key} is {value!r}", where=str(path), hint=f"It must be a {_word(wanted)}.")
        out[key] = wanted(value)
    made = replace(defaults, **out)
    if cls is Policy:
        _check_policy(made, path)
    if cls is Thresholds and not (0 < made.drift_budget < 1 and made.drift_versions >= 3 and _positive(made)):
        raise WorkspaceError(
            "the drift thresholds can't be used",
            where=str(path),
            hint="drift_budget is between 0 and 1, drift_versions at least 3, the others are greater than 0.",
        )
    if cls is Engine:
        _check_engine(made, path)
    if cls in (LakePlace, Storage):
        made.check(str(path))
    if cls is Control:
        _check_control(made, path)
    return made


def _check_policy(made: Policy, path: Path) -> None:
    for name, (words, hint) in CHOICES.items():
        if getattr(made, name) not in words:
            raise WorkspaceError(f"policy.{name} is {getattr(made, name)!r}", where=str(path), hint=hint)
    for name, least in LEAST.items():
        if getattr(made, name) < least:
            raise WorkspaceError(f"policy.{name} is {getattr(made, name):g}", where=str(path), hint=f"It is {least} or more.")


def _check_engine(made: Engine, path: Path) -> None:
    if made.kind not in ("duckdb", "spark"):
        raise WorkspaceError(f"engine.kind is {made.kind!r}", where=str(path), hint="It is duckdb or spark.")
    if made.url and (made.kind != "spark" or not made.url.startswith("sc://")):
        raise WorkspaceError(
            f"engine.url is {made.url!r}",
            where=str(path),
            hint='It is the address of a Spark Connect server, sc://HOST:15002, and needs kind = "spark".',
        )
    if made.checks_from_rows < 0:
        raise WorkspaceError(
            f"engine.checks_from_rows is {made.checks_from_rows}",
            where=str(path),
            hint="It is a number of rows; with 0 Spark counts what breaks rules on every table.",
        )
    odd = next((k for k, v in made.options.items() if not isinstance(v, str) or not k.startswith("spark.")), None)
    if odd is not None:
        raise WorkspaceError(
            f"engine.options has {odd!r} = {made.options[odd]!r}",
            where=str(path),
            hint='Write Spark\'s own names and texts: "spark.sql.shuffle.partitions" = "64".',
        )


def _check_control(made: Control, path: Path) -> None:
    if made.url and not made.url.startswith(("postgresql://", "postgres://", "${")):
        raise WorkspaceError(
            "state.url is no address of a PostgreSQL database",
            where=str(path),
            hint='Write url = "postgresql://USER:${PG_PASSWORD}@HOST/DATABASE".',
        )
    if not NAME.fullmatch(made.schema) or made.schema.lower().startswith("pg_") or made.schema.lower() in TAKEN:
        raise WorkspaceError(
            f"state.schema is {made.schema!r}",
            where=str(path),
            hint="It has letters, digits and _, begins with a letter, is no longer than 48, and is none of PostgreSQL's own.",
        )
    if not 1 <= made.lease_seconds <= 3600 or not 0 <= made.wait_seconds <= 86_400:
        raise WorkspaceError(
            "the times of [state] can't be used",
            where=str(path),
            hint="lease_seconds is between 1 and 3600, wait_seconds between 0 and 86400.",
        )


def _positive(made: Thresholds) -> bool:
    return min(made.drift_volume, made.drift_share, made.drift_distance) > 0


def _word(kind: type) -> str:
    return {float: "number", int: "whole number", str: "text", bool: "true or false", dict: "section"}.get(kind, kind.__name__)


def _sources(data: Any, path: Path) -> dict[str, Mapping[str, Json]]:
    if not isinstance(data, Mapping):
        raise WorkspaceError(
            "'sources' must be sections", where=str(path), hint="Write [sources.NAME] and its keys below."
        )
    for name, config in data.items():
        if not isinstance(config, Mapping):
            raise WorkspaceError(
                f"sources.{name} is {config!r}", where=str(path), hint=f"Write [sources.{name}] and its keys below."
            )
        if "." in name or not name.strip():
            raise WorkspaceError(
                f"source name {name!r} can't be used", where=str(path), hint="Use a name without dots."
            )
        if "kind" not in config:
            raise WorkspaceError(
                f"source {name!r} has no kind", where=str(path), hint='Add kind = "rest", "files", "sql", "kafka" or "dlt".'
            )
    return {str(n): dict(c) for n, c in data.items()}


def _queries(data: Any, path: Path) -> dict[str, Query]:
    if not isinstance(data, Mapping):
        raise WorkspaceError(
            "'queries' must be sections", where=str(path), hint="Write [queries.NAME] and its keys below."
        )
    out = {}
    for name, q in data.items():
        if not isinstance(q, Mapping) or not isinstance(q.get("sql"), str):
            raise WorkspaceError(f"query {name!r} has no sql", where=str(path), hint='Add sql = "SELECT ...".')
        for key in ("runs_per_day", "avg_ms"):
            if q.get(key) is not None and not isinstance(q[key], int | float):
                raise WorkspaceError(
                    f"queries.{name}.{key} is {q[key]!r}", where=str(path), hint="It must be a number."
                )
        out[str(name)] = Query(str(name), q["sql"], q.get("runs_per_day"), q.get("avg_ms"))
    return out


def _openlineage(data: Any, path: Path) -> dict[str, str]:
    known = ("file", "url", "namespace")
    if not isinstance(data, Mapping):
        raise WorkspaceError(
            "'openlineage' must be a section", where=str(path), hint="Write [openlineage] and its keys below."
        )
    for key, value in data.items():
        if key not in known:
            raise WorkspaceError(
                f"unknown key {key!r} in [openlineage]", where=str(path), hint=did_you_mean(key, known, "key")
            )
        if not isinstance(value, str):
            raise WorkspaceError(f"openlineage.{key} is {value!r}", where=str(path), hint="It must be a text.")
    return dict(data)


def _filled(value: Json, where: str) -> Json:
    if isinstance(value, Mapping):
        return {k: _filled(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(v, where) for v in value]
    return SECRET.sub(lambda m: _secret(m[1], where), value) if isinstance(value, str) else value


def _secret(name: str, where: str) -> str:
    if name.startswith("keyring:"):
        import keyring  # the OS keyring is asked for only when a config names it

        service, _, user = name.removeprefix("keyring:").partition("/")
        found = keyring.get_password(service, user)
        if found is None:
            raise WorkspaceError(
                f"the keyring has no {service!r}/{user!r}", where=where, hint=f"`keyring set {service} {user}`."
            )
        return str(found)
    if name not in os.environ:
        raise WorkspaceError(
            f"the environment variable {name} is not set", where=where, hint=f"`export {name}=...` and try again."
        )
    return os.environ[name]
