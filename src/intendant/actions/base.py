"""What a verb is: its sentence, what it needs and leaves behind, and how it is carried out, in repeatable pieces.

To add a verb, write one file in this folder with one class. A verb that writes a table is a `TableAction`: it stages
rows, the gate audits them, the loop publishes. Any other verb is an `Effect`: one repeatable act.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from intendant.catalog import Catalog
from intendant.errors import EngineError
from intendant.language.plans import looks_like_plan, print_step
from intendant.operators._compile import Typing
from intendant.types import Json, Snapshot, Stamp, Step

if TYPE_CHECKING:
    from intendant.engines.duckdb import DuckDB
    from intendant.lake import Lake, Stage
    from intendant.run.journal import Journal
    from intendant.sources.base import Source
    from intendant.workspace import Workspace

__all__ = ["Action", "Context", "Effect", "Footprint", "Mode", "Staged", "TableAction", "overwrites", "place", "placed"]


Mode = Literal["replace", "append", "upsert"]


@dataclass(frozen=True)
class Footprint:
    """What a step touches: tables read and written (or created), and why a person must approve it ("" when not)."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    needs_approval: str = ""


@dataclass(frozen=True)
class Staged:
    """What a TableAction left in the stage: how it is to be published, and facts for events."""

    table: str
    mode: Mode
    keys: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What an action works with. `tell(kind, data)` reports progress to who is watching; it records nothing.

    `journal` is for reading: what the loop records of an act is what the act returns.
    """

    workspace: Workspace
    lake: Lake
    engine: DuckDB
    catalog: Catalog
    journal: Journal
    stamp: Stamp
    tell: Callable[[str, Mapping[str, Json]], None]
    source: Callable[[str], Source]

    @functools.cached_property
    def typing(self) -> Typing:
        return Typing(self.engine, self.lake.snapshot)

    def snapshots(self, names: Sequence[str]) -> dict[str, Snapshot]:
        """The current snapshots of these tables."""
        return {n: self.lake.snapshot(n) for n in dict.fromkeys(names)}


class Action(ABC):
    """One verb. All methods but the acting one are pure: step and catalog in, values out."""

    verb: ClassVar[str]
    form: ClassVar[str]
    agent: ClassVar[str]
    """Whose verb it is: ingestion, quality, transformation, storage or optimization."""
    summary: ClassVar[str]
    example: ClassVar[str]

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        """The step with its defaults filled in (target, cursor, keys), names in their true case.

        Raises UnknownName, TypeMismatch or LanguageError when the step doesn't fit the catalog.
        """
        return step

    @abstractmethod
    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        """What the resolved step touches."""

    def after(self, step: Step, catalog: Catalog, typing: Typing) -> Catalog:
        """The catalog once the resolved step has run."""
        return catalog

    def origins(self, step: Step, catalog: Catalog, typing: Typing) -> dict[str, tuple[str, ...]]:
        """Column lineage of a written table: output column to "table.column" inputs; {} when nothing is written."""
        return {}


class TableAction(Action):
    """A verb that writes one table, through stage, audit and publish."""

    @abstractmethod
    def target(self, step: Step) -> str:
        """The table that the resolved step writes."""

    @abstractmethod
    def stage(self, step: Step, stage: Stage, context: Context) -> Staged:
        """Fills the stage. May be called again after a crash, with an empty stage. Raises SourceError, EngineError."""


class Effect(Action):
    """A verb that does something else than writing a table's rows."""

    @abstractmethod
    def act(self, step: Step, context: Context) -> dict[str, Json]:
        """Does it; doing it again with the same stamp does nothing more. Returns facts for the journal (JSON).

        Known facts: `outputs` (tables written: table, version, rows_written, rows_quarantined), `answer` (columns,
        rows), `findings`, `verdict` (passed, warned, quarantined, failed, review), `events` ([kind, data], ...).
        """


def place(step: Step) -> str:
    return f"`{print_step(step)}`"


def overwrites(step: Step, target: str, origin: str, catalog: Catalog) -> str:
    """Why a person must approve that `step` replaces `target` ("" when it need not be).

    A table is the step's own when the same verb made it from the same `origin` (a table or a resource), or when its last
    maker changed it in place.
    """
    if not catalog.has(target):
        return ""
    made_by = looks_like_plan(str(catalog.table(target).settings.get("made_by", "")))
    maker = made_by.steps[0] if made_by else None
    if maker is not None and maker.get("table") == target:
        return ""
    if maker is not None and maker.verb == step.verb and origin in (maker.get("table"), maker.get("resource")):
        return ""
    return f"it overwrites the table {target!r}, which was made by something else"


@contextmanager
def placed(step: Step) -> Iterator[None]:
    """Says in which step the engine refused a value, and what a person can do about it in this language."""
    try:
        yield
    except EngineError as e:
        e.where = e.where or place(step)
        if "try_cast" in e.hint:
            e.hint = "Mend these values first, e.g. with `replace` in a `derive`, or `filter` them away."
        raise
