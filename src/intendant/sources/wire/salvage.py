"""Takes a broken JSON array apart, row by row, so that one poison row doesn't cost the others."""

from __future__ import annotations

import json
import math
import re

from intendant.types import Json

__all__ = ["DEEPEST", "fault", "first_element", "salvage", "split_array", "too_deep"]

DEEPEST = 100
RAW_CHARS = 500
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
NOT_BRACKETS = bytes(b for b in range(256) if b not in b"[]{}")


def too_deep(array: bytes) -> bool:
    """Whether values may nest deeper than `DEEPEST`, from brackets alone; the engine's reader would crash on them.

    Brackets within texts can raise a false alarm, so only then are the texts taken out first.
    """
    return _left_over(array) and _left_over(STRING.sub(b"", array))


def _left_over(array: bytes) -> bool:
    left = array.translate(None, NOT_BRACKETS)
    for _ in range(DEEPEST):
        if not left:
            return False
        less = left.replace(b"{}", b"").replace(b"[]", b"")
        if len(less) == len(left):
            return True
        left = less
    return bool(left)


def first_element(array: bytes) -> bytes:
    """The text of the first element, b"" when there is none."""
    depth = 0
    start = array.find(b"[") + 1
    for token in TOKEN.finditer(array):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth <= 0 or (depth == 1 and token[0] == b","):
            return array[start:token.start()].strip()
    return b""


def salvage(array: bytes) -> tuple[list[bytes], list[tuple[str, str]]]:
    """The good rows as JSON texts, and the bad ones as (reason, raw text of at most 500 characters)."""
    good: list[bytes] = []
    bad: list[tuple[str, str]] = []
    for element in split_array(array):
        try:
            good.append(_checked(element))
        except ValueError as error:
            bad.append((str(error), element[:RAW_CHARS].decode("utf-8", "backslashreplace")))
    return good, bad


def fault(row: bytes) -> str:
    """Why a text is not one good JSON object; "" when it is."""
    try:
        _checked(row)
    except ValueError as error:
        return str(error)
    return ""


def split_array(array: bytes) -> list[bytes]:
    """The texts of a JSON array's elements, whether or not they are good JSON."""
    out: list[bytes] = []
    depth = 0
    start = array.find(b"[") + 1
    for token in TOKEN.finditer(array):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth <= 0:
                out.append(array[start:token.start()])
                start = token.end()
                break
        elif mark == b"," and depth == 1:
            out.append(array[start:token.start()])
            start = token.end()
    if array[start:].strip():
        out.append(array[start:])
    return [element.strip() for element in out if element.strip()]


def _checked(element: bytes) -> bytes:
    """The row's text. Raises ValueError with the reason why it is poison."""
    try:
        text = element.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start}") from error
    if _depth(element) > DEEPEST:
        raise ValueError(f"nested deeper than {DEEPEST}")
    try:
        row = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_short,
                         object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from error
    if not isinstance(row, dict):
        raise ValueError(f"not an object but {type(row).__name__}")
    return element


def _depth(element: bytes) -> int:
    depth = deepest = 0
    for token in TOKEN.finditer(element):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _short(text: str) -> int:
    if len(text) > 300:
        raise ValueError(f"the number {text[:40]}... is too large")
    return int(text)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the key {key!r} comes twice")
        _check_text(key)
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, str):
                    _check_text(item)
        out[key] = value
    return out


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text with a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("a text with half a surrogate pair") from error
