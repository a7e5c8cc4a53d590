"""What every source can do: say what it offers, and give a resource's rows as Arrow tables, batch by batch.

To add a kind of source, write one file in this folder with one subclass of `Source`; its `kind` is the file's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from intendant.errors import UnknownName, WorkspaceError, did_you_mean
from intendant.types import Json, ReadRequest, Resource

__all__ = ["Notify", "Source"]

Notify = Callable[[str, Mapping[str, Json]], None]
"""Told of what happens while reading: ("source.throttled", {...}), ("source.retried", {...}), ("source.progress",
{"rows": n, "total": n or None}), ("source.row_rejected", {"reason", "raw"}), ("source.mixed_column", {"column"}): once
for a column of JSON in which numbers and texts were mixed, within a batch or over several, which comes as text although
a number type may hold most of it without bending a value. A stream also tells ("source.position", {"position"}): where a
read that came to its end stands; ("source.gap", {"evidence", "messages"}): what can't be read any more; and
("source.tombstones", {"messages"})."""


class Source(ABC):
    """One `[sources.NAME]` of intendant.toml.

    `config` is that table with `${...}` already replaced; `root` is the workspace folder (relative paths start there).
    The constructor validates the config (WorkspaceError names the key and the mend) and contacts nobody.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    example: ClassVar[str]
    follows: ClassVar[bool] = False
    """Whether it knows by itself what is new since a position it told (`ReadRequest.position`)."""
    settings: ClassVar[Mapping[str, str]]
    """Every key the config may have, with its description; an unknown key is a WorkspaceError with did-you-mean."""

    def __init__(self, name: str, config: Mapping[str, Json], root: Path) -> None:
        self.name, self.config, self.root = name, config, root
        self.check_settings()

    @property
    def where(self) -> str:
        """The place that errors about this source's configuration name."""
        return f"[sources.{self.name}]"

    def check_settings(self) -> None:
        """Raises WorkspaceError for a key that no setting has."""
        for key in self.config:
            if key != "kind" and key not in self.settings:
                hint = did_you_mean(key, self.settings, "setting")
                raise WorkspaceError(f"{key!r} is not a setting of a {self.kind} source", where=self.where, hint=hint)

    def limit(self, name: str) -> float | None:
        """`limits.<name>` of the config as it is now: a run may lower it between two reads. None: no limit."""
        limits = self.config.get("limits") or {}
        value = limits.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise WorkspaceError(f"limits.{name} must be a number above 0, not {value!r}", where=self.where,
                                 hint=f"Write limits = {{ {name} = 10 }}.")
        return float(value)

    def unknown_resource(self, resource: str, known: Iterable[str]) -> UnknownName:
        """The error for a resource that isn't there, with the nearest name."""
        hint = did_you_mean(resource, known, "resource")
        return UnknownName(f"The source {self.name!r} has no resource {resource!r}", where=self.where, hint=hint)

    @abstractmethod
    def resources(self) -> tuple[Resource, ...]:
        """What there is, declared or discovered; may contact the source. Raises SourceError."""

    @abstractmethod
    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """Rows of `request.resource` as Arrow tables of bounded size (about 100 k rows or 32 MB each).

        The batches may differ in schema (late columns, widened types). The rows are at least those asked for: exact
        ordering, count, `after` and `columns` are applied again by the caller, so that a source that can't push
        one down may ignore it, but must push down what its protocol allows so that not everything is read. Nested
        data stays STRUCT and LIST. Raises SourceError; a page is accepted whole or not at all.
        """

    def direct(self, request: ReadRequest) -> Sequence[tuple[str, Sequence[Json]]]:
        """SELECTs with their parameters, which an engine that may read files can run instead of `read`; () without any.

        Together they give the same rows in the same order, or one of them fails: then `read` tells what is wrong, or takes
        the care that is needed.
        """
        return ()

    def peek(self, resource: str, rows: int = 200) -> pa.Table:
        """A few rows, to learn columns and types. Raises SourceError."""
        request = ReadRequest(resource, count=rows)
        batches = self.read(request, lambda kind, data: None)
        try:
            return next(batches).slice(0, rows)
        except StopIteration:
            return pa.table({})
        finally:
            close = getattr(batches, "close", None)
            if close:
                close()
