"""The part of reading that speaks to dlt: importing it quietly, opening a source, and its resources' cursors.

Importing this module imports dlt, with its reports to its makers switched off.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext
from dlt.extract import DltResource
from dlt.extract import DltSource as Opened
from dlt.extract.incremental import Incremental, IncrementalResourceWrapper
from dlt.extract.incremental.exceptions import (
    IncrementalCursorInvalidCoercion,
    IncrementalCursorPathHasValueNone,
    IncrementalCursorPathMissing,
)
from dlt.extract.reference import SourceFactory

from intendant.errors import SourceRefused, WorkspaceError, did_you_mean
from intendant.types import Json

__all__ = ["CANT_COMPARE", "cursor_of", "items", "key_of", "opened"]

CANT_COMPARE = (IncrementalCursorInvalidCoercion, IncrementalCursorPathMissing, IncrementalCursorPathHasValueNone, TypeError)
FOLDER = ".intendant/dlt"
_lock = Lock()


class _Context(RunContext):  # type: ignore[misc]
    """Settings and data of dlt within one workspace, none of the user's home."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = str(root)
        self._global_dir = str(root / FOLDER)

    @property
    def run_dir(self) -> str:
        return self.root

    @property
    def local_dir(self) -> str:
        return str(self._global_dir)

    @property
    def data_dir(self) -> str:
        return str(self._global_dir)


def opened(root: Path, place: str, file: Path | None, function: str, args: Mapping[str, Json], where: str) -> Any:
    """The source that a function makes. Raises WorkspaceError for a name that is no dlt source, and what the function raises."""
    with _lock:
        context = Container()[PluggableRunContext]
        if getattr(context.context, "root", None) != str(root.resolve()):
            context.reload(_Context(root.resolve()))
        module = _loaded(file) if file else _imported(place, where)
        made = getattr(module, function, None)
        if made is None:
            names = [n for n, v in vars(module).items() if isinstance(v, SourceFactory | DltResource)]
            raise WorkspaceError(f"{place!r} has no {function!r}", where=where, hint=did_you_mean(function, names, "source"))
        known = isinstance(made, SourceFactory | DltResource)
        if not known and not (callable(made) and (file or place.partition(".")[0] == "dlt")):
            raise WorkspaceError(f"{place}:{function} is no dlt source", where=where,
                                 hint="It must be a function with @dlt.source or @dlt.resource.")
        given = {name: _argument(value) for name, value in args.items()}
        source = made if isinstance(made, DltResource) and not given else made(**given)
        if isinstance(source, DltResource):
            whole = Opened(dlt.Schema("intendant"), "intendant", [source])
        elif isinstance(source, Opened):
            whole = source
        else:
            raise WorkspaceError(f"{place}:{function} gives a {type(source).__name__}, no dlt source", where=where,
                                 hint="It must return what @dlt.source or @dlt.resource make.")
        return whole.clone()


def _argument(value: Json) -> Any:
    """A table with `cursor_path` is dlt's incremental, which a file of settings can't hold."""
    if isinstance(value, Mapping) and "cursor_path" in value and set(value) <= {"cursor_path", "initial_value", "end_value", "row_order"}:
        return dlt.sources.incremental(**value)
    return value


def _imported(place: str, where: str) -> Any:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        own = error.name and place.startswith(error.name)
        raise WorkspaceError(f"There is no module {error.name!r}", where=where,
                             hint="Check source." if own else f"`pip install` what {place} needs.") from None


def _loaded(file: Path) -> Any:
    """The module of a file, run anew each time: a resource of a module is one object, which keeps the cursor it was given."""
    name = f"intendant_dlt_{sha256(str(file).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def items(source: Any, name: str, after: tuple[str, Json] | None) -> Iterator[Any]:
    """What a resource yields; with `after`, what it says is not older, where it takes a cursor on that column."""
    resource = source.resources[name]
    resource.selected = True
    held = resource.incremental
    before = vars(held).copy() if isinstance(held, IncrementalResourceWrapper) else {}
    try:
        if after:
            cursor_on(resource, *after)
        yield from source.with_resources(name)
    finally:
        if before:  # it may belong to a module's resource, which the next read gets too
            vars(held).update(before)


def key_of(resource: Any) -> str | None:
    """The one column that is its primary key."""
    found = [name for name, column in _columns(resource).items() if column.get("primary_key")]
    return found[0] if len(found) == 1 else None


def cursor_of(resource: Any) -> tuple[str | None, Any]:
    """The column that a resource goes on by, and where it starts; (None, None) when it takes no cursor or names no column."""
    found = _incremental(resource)
    path = found.cursor_path if found is not None else None
    return (str(path), found.initial_value) if path and str(path).isidentifier() else (None, None)


def cursor_on(resource: Any, column: str, value: Json) -> None:
    """Sets the resource's cursor where it takes one and the type of its values is known; else all rows come."""
    if resource.incremental is None:
        return
    path, start = cursor_of(resource)
    if path not in (None, column):
        return
    known = _columns(resource).get(column, {}).get("data_type")
    typed = _as(value, _kind(start) or known, start)
    if typed is not None:
        resource.apply_hints(incremental=dlt.sources.incremental(column, initial_value=typed, on_cursor_value_missing="include"))


def _incremental(resource: Any) -> Any:
    held = resource.incremental
    found = held.incremental if isinstance(held, IncrementalResourceWrapper) else held
    if found is None and resource.args_bound:
        found = next((v for v in resource.explicit_args.values() if isinstance(v, Incremental)), None)
    if found is None and callable(getattr(resource._pipe, "gen", None)):
        argument = IncrementalResourceWrapper.get_incremental_arg(inspect.signature(resource._pipe.gen))
        found = argument.default if argument is not None else None
    return found if isinstance(found, Incremental) else None


def _columns(resource: Any) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = resource.compute_table_schema().get("columns") or {}
    except Exception:  # hints that are functions need a row to be worked out
        return {}
    return found


def _moment_text(text: str, like: str) -> str:
    """A text to compare with. That of a moment is a day earlier, since texts with offsets don't sort as their moments do;
    it is spelled as `like` is."""
    try:
        day = (datetime.fromisoformat(text) - timedelta(days=1)).date().isoformat()
    except ValueError:
        return text
    return f"{day}{like[10]}00:00:00{like[19:]}" if len(like) > len("2024-01-01T00:00") else day


def _kind(value: Any) -> str | None:
    """dlt's name of a value's type."""
    if isinstance(value, bool) or value is None:
        return None
    kinds = ((datetime, "timestamp"), (date, "date"), (int, "bigint"), (float, "double"), (Decimal, "decimal"), (str, "text"))
    return next((name for type_, name in kinds if isinstance(value, type_)), None)


def _as(value: Json, kind: str | None, start: Any) -> Any:
    """A cursor's value in a type, never later than it is; None when it can't be had."""
    text = value.isoformat(" ") if isinstance(value, datetime) else str(value)
    try:
        if kind in ("timestamp", "date"):
            moment = datetime.fromisoformat(text)
            moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            return moment.date() if kind == "date" else moment
        if kind == "bigint":
            return int(Decimal(text))
        if kind == "double":
            return float(text)
        if kind == "text":
            return _moment_text(text, start if isinstance(start, str) else "")
        return Decimal(text) if kind in ("decimal", "wei") else None
    except (ValueError, InvalidOperation):
        raise SourceRefused(f"{text[:40]!r} is no {kind} to go on from", hint="Look at the cursor column's values.") from None
