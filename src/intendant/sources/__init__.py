"""The kinds of sources are the files of this folder; a kind is imported only when one of its sources is opened."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.errors import WorkspaceError, did_you_mean
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.sources.base import Source

__all__ = ["kinds", "open_source", "source_class"]


def kinds() -> list[str]:
    """Names of the kinds of sources, sorted; imports none of them."""
    names = (path.stem for path in Path(__file__).parent.glob("*.py"))
    return sorted(name for name in names if name != "base" and not name.startswith("_"))


def source_class(kind: str) -> type[Source]:
    """The class of a kind. Raises WorkspaceError for a kind that isn't there."""
    if kind not in kinds():
        raise WorkspaceError(f"There is no kind of source {kind!r}", hint=did_you_mean(kind, kinds(), "kind"))
    from intendant.sources.base import Source as Base

    module = importlib.import_module(f"{__name__}.{kind}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Base) and value.__dict__.get("kind") == kind:
            return value
    raise WorkspaceError(f"The file of the kind {kind!r} has no Source class", where=str(module.__file__))


def open_source(name: str, config: Mapping[str, Json], root: Path) -> Source:
    """The source `[sources.NAME]` of a workspace at `root`; contacts nobody.

    `config` is that table with secrets already filled in. Raises WorkspaceError with the key and the mend.
    """
    where = f"[sources.{name}]"
    kind = config.get("kind")
    if not kind:
        raise WorkspaceError("A source needs a `kind`", where=where, hint=f"Add one of: {', '.join(kinds())}.")
    try:
        found = source_class(str(kind))
    except WorkspaceError as error:
        error.where = error.where or where
        raise
    return found(name, config, root)
