"""A table's name may be any text; its folder's name is that text percent-encoded, so no name leaves the lake.

Lookup ignores case as SQL does: `Orders` finds the table made as `orders`.
"""

from __future__ import annotations

import re
from pathlib import Path

from intendant.errors import LakeError
from intendant.types import split_table

__all__ = ["SCHEMA_FOLDERS", "decode", "encode", "find_folder", "lock_name", "table_name"]

SCHEMA_FOLDERS = ("main", "staging", "quarantine")
LONGEST = 200  # bytes of a folder's name; file systems stop at 255
SAFE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


def encode(name: str) -> str:
    """`Sales 2024` -> `%53ales%202024`; only `[a-z0-9_-]` stay. LakeError when empty or too long."""
    try:
        raw = name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LakeError(f"The table name {name!r} is not valid text", where=repr(name),
                        hint="Choose a name without unpaired surrogates.") from error
    folder = "".join(chr(b) if chr(b) in SAFE else f"%{b:02X}" for b in raw)
    if not folder:
        raise LakeError("A table's name can't be empty", where=repr(name), hint="Choose a name.")
    if len(folder) > LONGEST:
        raise LakeError(f"The table name {name[:40]!r}... is too long ({len(name)} characters)", where=name[:40],
                        hint=f"Choose a name whose encoded form is at most {LONGEST} bytes.")
    return folder


def decode(folder: str) -> str:
    """The name that `encode` made `folder` of."""
    raw = re.sub(r"%([0-9A-F]{2})", lambda m: chr(int(m.group(1), 16)), folder)
    return raw.encode("latin-1").decode("utf-8")


def table_name(schema: str, folder: str) -> str:
    name = decode(folder)
    return name if schema == "main" else f"{schema}.{name}"


def find_folder(root: Path, table: str) -> Path:
    """The folder of `table`: the existing one whose name is equal up to case, else where it would be made."""
    schema, name = split_table(table)
    exact = root / schema / encode(name)
    if exact.is_dir() or not exact.parent.is_dir():
        return exact
    wanted = name.casefold()
    same = sorted(f for f in exact.parent.iterdir() if f.is_dir() and decode(f.name).casefold() == wanted)
    return same[0] if same else exact


def lock_name(table: str) -> str:
    """One lock for all spellings of a name."""
    schema, name = split_table(table)
    folded = name.casefold()
    return f"{schema}.{encode(folded if len(folded) <= len(name) else name)}.lock"
