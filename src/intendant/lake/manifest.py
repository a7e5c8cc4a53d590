"""What a stage holds, as a small file beside its data: enough to go on with it after a crash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from intendant.engines.base import Written
from intendant.types import Column, Json

__all__ = ["read_manifest", "read_mark", "write_manifest"]

NAME = "stage.json"


def write_manifest(folder: Path, table: str, files: Sequence[Written], columns: Sequence[Column], mark: str = "") -> None:
    """Writes the manifest (atomically); paths are relative to the folder, `mark` is the stage's own."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "table": table,
        "mark": mark,
        "columns": [[c.name, c.type] for c in columns],
        "files": [{"path": str(f.path.relative_to(folder)), "rows": f.rows, "bytes": f.bytes,
                   "columns": [[c.name, c.type] for c in f.columns], "stats": dict(f.stats)} for f in files],
    }
    draft = folder / f".{NAME}.part"
    draft.write_text(json.dumps(data, default=str), encoding="utf-8")
    draft.replace(folder / NAME)


def read_manifest(folder: Path, table: str) -> tuple[list[Written], tuple[Column, ...]] | None:
    """The files and columns of a saved stage; None when there is none or a file is missing or of another size."""
    try:
        data: Json = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if data["table"] != table:
        return None
    files = [Written(folder / f["path"], f["rows"], f["bytes"], _columns(f["columns"]), f["stats"]) for f in data["files"]]
    if not all(f.path.is_file() and f.path.stat().st_size == f.bytes for f in files):
        return None
    return files, _columns(data["columns"])


def read_mark(folder: Path) -> str:
    """The mark of a saved stage; "" when it has none."""
    try:
        return str(json.loads((folder / NAME).read_text(encoding="utf-8")).get("mark", ""))
    except (OSError, ValueError):
        return ""


def _columns(pairs: list[list[str]]) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in pairs)
