"""Any source made for dlt: its resources are read as they yield, without dlt's pipeline, normaliser or destination.

The source is a name in an installed module, or a function of a Python file in the workspace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from intendant.errors import IntendantError, PathRefused, WorkspaceError, did_you_mean
from intendant.sources.base import Notify, Source
from intendant.sources.wire.dlt_errors import error_of, secrets_in
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.pace import Pace
from intendant.sources.wire.records import Records
from intendant.types import Json, ReadRequest, Resource

__all__ = ["DltSource"]

INSTALL = "pip install 'intendant[dlt]'"
NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*|[^:]+\.py:[A-Za-z_]\w*")
RESOURCE_KEYS = {"key": "column that identifies a row", "timestamp": "column that tells when a row was made or changed"}


class DltSource(Source):
    """Records come as dicts, which take the way of JSON rows, or as Arrow tables; nested data stays nested.

    A cursor is given to the resource as dlt's incremental where it takes one, so that only newer rows are asked for.
    """

    kind = "dlt"
    summary = "any source made for dlt (extra `dlt`)"
    example = ('kind = "dlt"\nsource = "dlt.sources.rest_api:rest_api_source"\n'
               'args = { config = { client = { base_url = "https://api.example.com" }, resources = ["orders"] } }')
    settings = {
        "source": "module:function of an installed package, or file.py:function in the workspace",
        "args": "the function's arguments by name; secrets as ${NAME}",
        "resources": "name = { key, timestamp }: what its columns mean; all are offered",
        "limits": "{ rows_per_second }",
    }

    def __init__(self, name: str, config: Mapping[str, Json], root: Path) -> None:
        super().__init__(name, config, root)
        named = config.get("source")
        if not isinstance(named, str) or not NAMED.fullmatch(named):
            raise WorkspaceError("A dlt source needs a source, written module:function", where=self.where,
                                 hint='Write source = "dlt.sources.rest_api:rest_api_source" or "my_sources/shop.py:shop".')
        if not isinstance(config.get("args", {}), Mapping):
            raise WorkspaceError("args must be a table of arguments", where=self.where, hint='Write args = { name = "value" }.')
        self.place, _, self.function = named.rpartition(":")
        if self.place.endswith(".py"):
            self._file()
        self.limit("rows_per_second")
        for resource, table in (config.get("resources") or {}).items():
            for key in table:
                if key not in RESOURCE_KEYS:
                    raise WorkspaceError(f"resources.{resource}.{key} is not a setting", where=self.where,
                                         hint=did_you_mean(key, RESOURCE_KEYS, "setting"))

    def _file(self) -> Path:
        """The workspace's file that has the function, which may not be there yet. Raises PathRefused."""
        path, root = (self.root / self.place).resolve(), self.root.resolve()
        if root not in path.parents:
            raise PathRefused(f"{self.place!r} leads out of the workspace", where=self.where, hint="Move the file into the workspace.")
        return path

    def resources(self) -> tuple[Resource, ...]:
        declared = self.config.get("resources") or {}
        try:
            source = self._opened()
            found = {name: self._described(name, source.resources[name], declared.get(name, {})) for name in source.selected_resources}
        except Exception as error:
            raise self._error(error) from error
        for name in declared:
            if name not in found:
                raise self.unknown_resource(name, found)
        return tuple(found.values())

    def _described(self, name: str, resource: Any, declared: Mapping[str, Json]) -> Resource:
        from intendant.sources.wire.dlt_reading import cursor_of, key_of

        return Resource(self.name, name, declared.get("key") or key_of(resource), declared.get("timestamp") or cursor_of(resource)[0])

    def _opened(self) -> Any:
        """A source of its own, made by the function with its arguments. Raises SourceError, WorkspaceError and what it raises."""
        try:
            from intendant.sources.wire import dlt_reading
        except ImportError as error:
            if error.name != "dlt":
                raise
            raise WorkspaceError("The package dlt is not installed", where=self.where, hint=f"Run `{INSTALL}`.") from None
        file = self._file() if self.place.endswith(".py") else None
        if file and not file.is_file():
            raise WorkspaceError(f"There is no file {self.place!r}", where=self.where, hint="The path starts at the workspace.")
        return dlt_reading.opened(self.root, self.place, file, self.function, self.config.get("args") or {}, self.where)

    def _error(self, error: Exception) -> Exception:
        if isinstance(error, IntendantError):
            return error
        return error_of(error, self.where, secrets_in(self.config.get("args") or {}))

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """See Source.read."""
        def reject(reason: str, raw: str) -> None:
            notify("source.row_rejected", {"reason": reason, "raw": raw})

        kinds, pace, read = Kinds(), Pace(self.limit("rows_per_second")), 0
        records = Records(kinds, reject, self.where, request.count if not request.order else None)
        items = self._items(request)
        try:
            for table in records.tables(items):
                read += table.num_rows
                kinds.tell(notify)
                notify("source.progress", {"rows": read, "total": None})
                yield table
                pace.wait(table.num_rows)
                if request.count and not request.order and not request.after and read >= request.count:
                    return
        finally:
            items.close()
            records.close()

    def _items(self, request: ReadRequest) -> Any:
        """What the resource yields, one item or page at a time; without a cursor when it can't compare with this one's value."""
        try:
            source = self._opened()
            if request.resource not in source.resources:
                raise self.unknown_resource(request.resource, source.resources)
            from intendant.sources.wire.dlt_reading import CANT_COMPARE, items

            if request.after:
                newer = items(source, request.resource, request.after)
                try:
                    first = next(newer, None)
                except Exception as error:
                    if not any(isinstance(e, CANT_COMPARE) for e in (error, error.__cause__)):
                        raise
                else:
                    yield from chain(() if first is None else (first,), newer)
                    return
                source = self._opened()
            yield from items(source, request.resource, None)
        except GeneratorExit:
            raise
        except Exception as error:
            raise self._error(error) from error
