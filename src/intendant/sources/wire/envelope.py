"""Splits a page into its rows, left as bytes, and the little object around them.

A page is parsed once, by the engine; Python reads only what stands before and after the list of rows. The split is
sound: the list is replaced by a random mark, and what is left must parse and have the mark where the rows belong; a
split at the wrong bracket leaves rows that no JSON reader accepts, so it can't pass unseen.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from intendant.errors import SourceDamaged
from intendant.types import Json

__all__ = ["Envelope", "Shape", "learn", "split"]

ROW_KEYS = ("data", "items", "results", "value", "records", "rows", "entries", "content", "list", "objects", "hits")
DEEPEST = 3
TRIES = 16
MARK = secrets.token_hex(12)
PLACE = f'["{MARK}"]'.encode()


@dataclass(frozen=True)
class Shape:
    """Where the rows are: `path` of keys (() when the body is the list), or the body is `lines` of JSON or one row."""

    path: tuple[str, ...] = ()
    lines: bool = False
    single: bool = False
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Envelope:
    """`rows` is the text of a JSON array; `around` the object that had it, without it."""

    rows: bytes
    around: Mapping[str, Json]
    empty: bool


def learn(body: bytes, resource: str, declared: str | None, where: str) -> Shape:
    """The shape of a first page. Raises SourceDamaged when it is not JSON or has no rows."""
    text = body.strip()
    if text[:1] == b"[":
        return Shape()
    if text[:1] != b"{":
        raise SourceDamaged(f"The answer is not JSON: it starts with {text[:20]!r}", where=where)
    try:
        page = json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError) as error:
        if _is_lines(text):
            return Shape(lines=True)
        return _guess(text, resource, declared, where, error)
    path = tuple(declared.split(".")) if declared else _find(page, resource)
    if path is None:
        return Shape(single=True)
    if not isinstance(_at(page, path), list):
        raise SourceDamaged(f"The answer has no list of rows under {'.'.join(path)!r}", where=where,
                            hint="Set `rows` of the resource to the name of the field that holds them.")
    return Shape(path, keys=frozenset(page))


def split(body: bytes, shape: Shape, where: str) -> Envelope:
    """Raises SourceDamaged when the page is broken or of another shape."""
    text = body.strip()
    if shape.lines:
        lines = [line for line in text.split(b"\n") if line.strip()]
        return Envelope(b"[" + b",".join(lines) + b"]", {}, not lines)
    if shape.single:
        return Envelope(b"[" + text + b"]", {}, False)
    if not shape.path:
        if text[:1] != b"[" or text[-1:] != b"]":
            raise SourceDamaged("The answer broke off, or is no list any more", where=where)
        return Envelope(text, {}, not text[1:-1].strip())
    found = _cut(text, shape) or _exact(text, shape, where)
    return Envelope(found[0], found[1], not found[0][1:-1].strip())


def _is_lines(text: bytes) -> bool:
    first, newline, rest = text.partition(b"\n")
    try:
        return bool(newline) and isinstance(json.loads(first), dict) and rest.lstrip()[:1] == b"{"
    except ValueError:
        return False


def _guess(text: bytes, resource: str, declared: str | None, where: str, error: Exception) -> Shape:
    """The shape of a page that has a broken row in it: the rows' usual names are tried."""
    for path in [tuple(declared.split("."))] if declared else [(name,) for name in (resource, *ROW_KEYS)]:
        found = _cut(text, Shape(path))
        if found:
            return Shape(path, keys=frozenset(found[1]) | {path[0]})
    raise SourceDamaged(f"The answer is broken JSON: {str(error)[:120]}", where=where) from error


def _find(page: Mapping[str, Json], resource: str) -> tuple[str, ...] | None:
    """Path of the rows: by a usual name first, then the only (or longest) list of objects."""
    found = list(_lists(page, ()))
    for names in ((resource,), ROW_KEYS):
        for name in names:
            named = [path for path, rows in found if path[-1].lower() == name.lower() and _row_like(rows)]
            if named:
                return min(named, key=len)
    if any(isinstance(page.get(name), dict) and not found for name in ("data",)):
        return None
    of_objects = [(len(rows), path) for path, rows in found if rows and all(isinstance(r, dict) for r in rows[:5])]
    if of_objects and _wraps(page):
        return max(of_objects)[1]
    empty = [path for path, rows in found if not rows]
    return empty[0] if len(found) == 1 and empty and _wraps(page) else None


def _row_like(rows: list[Json]) -> bool:
    return not rows or isinstance(rows[0], dict)


def _wraps(page: Mapping[str, Json]) -> bool:
    """Whether an object looks like an envelope and not like a row that has a list in it."""
    return not any(key.lower() in ("id", "_id", "uuid", "key") for key in page)


def _lists(value: Json, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], list[Json]]]:
    if len(path) >= DEEPEST or not isinstance(value, dict):
        return []
    out: list[tuple[tuple[str, ...], list[Json]]] = []
    for key, inner in value.items():
        if isinstance(inner, list):
            out.append(((*path, key), inner))
        else:
            out += _lists(inner, (*path, key))
    return out


def _at(value: Json, path: tuple[str, ...]) -> Json:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def _has(value: Json, path: tuple[str, ...]) -> bool:
    above = _at(value, path[:-1])
    return isinstance(above, dict) and path[-1] in above


def _cut(text: bytes, shape: Shape) -> tuple[bytes, Mapping[str, Json]] | None:
    """The rows and the rest, found from both ends; None when that isn't certain."""
    name = json.dumps(shape.path[-1]).encode()
    named = re.compile(re.escape(name) + rb"\s*:\s*\[").finditer(text, 0, 1 << 16)
    for start in (match.end() - 1 for match in islice(named, 4)):
        end = len(text)
        for _ in range(TRIES):
            end = text.rfind(b"]", start, end)
            if end < 0:
                break
            around = _around(text[:start], text[end + 1:], shape)
            if around is not None:
                return text[start:end + 1], around
    return None


def _around(head: bytes, tail: bytes, shape: Shape) -> Mapping[str, Json] | None:
    if len(tail) > 1 << 18:
        return None
    try:
        whole = json.loads(head + PLACE + tail)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict) or _at(whole, shape.path) != [MARK] or (shape.keys and shape.keys - set(whole)):
        return None
    return whole


def _exact(text: bytes, shape: Shape, where: str) -> tuple[bytes, Mapping[str, Json]]:
    try:
        page = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceDamaged(f"The answer is broken JSON or broke off: {str(error)[:120]}", where=where) from error
    rows = _at(page, shape.path)
    if rows is None and _has(page, shape.path):
        rows = []
    if not isinstance(rows, list):
        raise SourceDamaged(f"The answer has no list of rows under {'.'.join(shape.path)!r} any more", where=where)
    return json.dumps(rows).encode(), page
