"""The words of the product as frozen values; the same words are used in code, flags, pages and docs.

A table's name is one string: `orders`, `staging.orders` or `quarantine.orders`; only `staging.` and `quarantine.`
are schemas, any other dot belongs to the name. A resource is `source.resource`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = [
    "Choice",
    "Column",
    "Event",
    "Finding",
    "Json",
    "OnFailure",
    "Output",
    "Plan",
    "Proposal",
    "Question",
    "ReadRequest",
    "Resource",
    "Result",
    "Rule",
    "Severity",
    "Snapshot",
    "Stamp",
    "Status",
    "Step",
    "in_bytes",
    "split_table",
]

Json: TypeAlias = Any  # what json.loads can return
Severity = Literal["LOW", "MEDIUM", "HIGH"]
OnFailure = Literal["rollback", "quarantine", "review", "warn"]
Status = Literal["succeeded", "failed", "rolled_back", "waiting_approval", "needs_answer", "refused"]
SCHEMAS = ("staging", "quarantine")


def split_table(name: str) -> tuple[str, str]:
    """`staging.orders` -> ("staging", "orders"); `orders` -> ("main", "orders")."""
    schema, dot, rest = name.partition(".")
    return (schema, rest) if dot and rest and schema in SCHEMAS else ("main", name)


@dataclass(frozen=True)
class Step:
    """One action of one agent (or one operator of a transform): a verb and its arguments.

    Arguments are plain JSON values, nested `Step`s (operators, rules) and tuples of them; an expression is its text in
    the intent language, already in canonical form.
    """

    verb: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        return self.args.get(name, default)

    def __hash__(self) -> int:
        return hash((self.verb, repr(sorted(self.args.items(), key=lambda kv: kv[0]))))


@dataclass(frozen=True)
class Plan:
    """An ordered list of steps."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Column:
    """A column and its DuckDB type, e.g. Column("price", "DOUBLE")."""

    name: str
    type: str


@dataclass(frozen=True)
class Resource:
    """Something a source offers: a REST collection, a file, a database table, a topic."""

    source: str
    name: str
    key: str | None = None
    timestamp: str | None = None
    columns: tuple[Column, ...] = ()

    @property
    def full(self) -> str:
        return f"{self.source}.{self.name}"


@dataclass(frozen=True)
class ReadRequest:
    """What to read of a resource.

    `count` with `order` "latest" or "oldest" by `by`; `after` = (column, value): only rows whose column is greater,
    a cursor; `columns` None means all. A source applies what it can natively and says so (`Source.applies`).
    `position` is where an earlier read of a stream ended, as the source told it: only what came since.
    """

    resource: str
    count: int | None = None
    order: Literal["latest", "oldest"] | None = None
    by: str | None = None
    after: tuple[str, Json] | None = None
    columns: tuple[str, ...] | None = None
    position: Json = None


@dataclass(frozen=True)
class Stamp:
    """Which step of which run makes a commit; a commit with a stamp that is already in the table does nothing."""

    run: str
    step: str


@dataclass(frozen=True)
class Snapshot:
    """A version of a table in the lake; `files` are absolute paths of its Parquet files."""

    table: str
    version: int
    at: str
    rows: int
    bytes: int
    columns: tuple[Column, ...]
    files: tuple[str, ...] = ()
    operation: str = ""
    run: str = ""
    step: str = ""
    partition_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A declared expectation, in the shape of the contract; unused fields are None and left out of JSON."""

    type: str
    column: str | None = None
    columns: tuple[str, ...] = ()
    min: Json = None
    max: Json = None
    min_exclusive: bool | None = None
    max_exclusive: bool | None = None
    values: tuple[Json, ...] | None = None
    regex: str | None = None
    ref: str | None = None
    expression: str | None = None
    seconds: int | None = None

    def as_dict(self) -> dict[str, Json]:
        """As it is shown and stored: an exclusive bound is `min_exclusive` or `max_exclusive` itself, not beside `min`."""
        out = {k: (list(v) if isinstance(v, tuple) else v) for k, v in self.__dict__.items()}
        for bound in ("min", "max"):
            if out[f"{bound}_exclusive"]:
                out[f"{bound}_exclusive"], out[bound] = out[bound], None
        return {k: v for k, v in out.items() if v is not None and v != []}

    @classmethod
    def of(cls, data: Mapping[str, Json]) -> Rule:
        """The rule of `as_dict`. Raises TypeError for fields that a rule hasn't."""
        own: dict[str, Any] = {k: (tuple(v) if isinstance(v, list) else v) for k, v in data.items()}
        for bound in ("min", "max"):
            found = own.get(f"{bound}_exclusive")
            if found is not None and not isinstance(found, bool):
                own[bound], own[f"{bound}_exclusive"] = found, True
        return cls(**own)


@dataclass(frozen=True)
class Finding:
    """What a check or an advisor found.

    `rows` is how many rows it touches of `total`; `confidence` in 0..1; `mend` is a sentence of the intent language
    ("" when nothing can be offered); `where` an SQL predicate over the table that selects the bad rows ("" when
    the finding is about the whole table). `cells` may carry (row, reason, confidence) for the listed cells.
    """

    check: str
    table: str
    column: str | None
    severity: Severity
    rows: int
    total: int
    evidence: str
    confidence: float = 1.0
    mend: str = ""
    where: str = ""
    samples: tuple[Json, ...] = ()

    def as_dict(self) -> dict[str, Json]:
        return {k: (list(v) if isinstance(v, tuple) else v) for k, v in self.__dict__.items() if k != "where"}


@dataclass(frozen=True)
class Event:
    """A fact in the journal. `key` is unique within its run, so telling a fact twice records it once."""

    seq: int
    at: str
    run: str
    key: str
    kind: str
    data: Mapping[str, Json]
    prev: str
    hash: str


@dataclass(frozen=True)
class Choice:
    label: str
    plan: str


@dataclass(frozen=True)
class Question:
    """One question about the weakest slot; `about` is the slot's name."""

    text: str
    about: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What the planner made of a sentence: ready (a plan), ask (a question) or refused (a reason)."""

    status: Literal["ready", "ask", "refused"]
    plan: Plan | None = None
    confidence: float = 0.0
    confirm: bool = False
    question: Question | None = None
    reason: str = ""
    trace: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    table: str
    version: int
    rows_written: int
    rows_quarantined: int = 0


@dataclass(frozen=True)
class Result:
    """What `do` answers; `as_dict` is the JSON of the contract."""

    status: Status
    run_id: str = ""
    intent: str = ""
    plan: str = ""
    steps: tuple[Mapping[str, Json], ...] = ()
    confidence: float | None = None
    questions: tuple[Question, ...] = ()
    reason: str = ""
    outputs: tuple[Output, ...] = ()
    answer: Mapping[str, Json] | None = None
    findings: tuple[Mapping[str, Json], ...] = ()
    error: Mapping[str, str] | None = None
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    preview: tuple[str, ...] = ()
    approval: str = ""
    changes: Mapping[str, Json] | None = None
    """Of a dry run: what the plan would change, row by row (`run/changes.py`)."""

    def as_dict(self) -> dict[str, Json]:
        """The object of the contract, ready for json.dumps."""
        out = dict(self.__dict__)
        out["questions"] = [
            {"text": q.text, "about": q.about, "choices": [{"label": c.label, "plan": c.plan} for c in q.choices]}
            for q in self.questions
        ]
        out["outputs"] = [dict(o.__dict__) for o in self.outputs]
        for name in ("steps", "findings", "preview"):
            out[name] = list(out[name])
        if self.changes is None:
            del out["changes"]
        return out


def in_bytes(size: float) -> str:
    """So many bytes for people, with a unit that keeps it short: 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
