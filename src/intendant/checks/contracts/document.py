"""A contract's file as plain values: whatever comes from outside is data of a bounded size, and every value has a line.

YAML is composed by PyYAML's safe loader and built here, so that no tag makes an object, no alias multiplies, no key
stands twice. JSON has no lines to tell.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

from intendant.errors import UsageError
from intendant.types import Json

__all__ = ["DEEPEST", "MOST_BYTES", "MOST_VALUES", "Block", "dumped", "line_of", "read_document"]

MOST_BYTES = 1_000_000
MOST_VALUES = 50_000
DEEPEST = 50
TAGS = {f"tag:yaml.org,2002:{t}" for t in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")}


class Block(dict[str, Json]):
    """A mapping of the file; `line` counts from 1, 0 when it isn't known."""

    line: int = 0


def line_of(value: Json) -> int:
    return value.line if isinstance(value, Block) else 0


def read_document(text: str, where: str) -> Json:
    """The value that a text in JSON or YAML holds: Blocks, lists, texts, numbers, booleans, None; dates as ISO text.

    Raises UsageError with the line: too long, too deep, neither JSON nor YAML, a tag, an alias, a key that stands twice.
    """
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise UsageError(
            f"the file has more than {MOST_BYTES:,} bytes", where=where, hint="Keep the one table's part of it."
        )
    try:
        return Builder(where).json(text) if text.lstrip().startswith(("{", "[")) else Builder(where).yaml(text)
    except RecursionError:
        raise Builder(where).too_deep(0) from None


class Builder:
    """Builds the values of one file and counts them."""

    def __init__(self, where: str) -> None:
        self.where, self.values = where, 0
        self.seen: set[int] = set()

    def refused(self, what: str, line: int, hint: str) -> UsageError:
        return UsageError(what, where=f"{self.where}, line {line}" if line else self.where, hint=hint)

    def too_deep(self, line: int) -> UsageError:
        return self.refused(f"the file is nested deeper than {DEEPEST}", line, "No contract is; look at that place.")

    def counted(self, depth: int, line: int) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            raise self.refused(
                f"the file holds more than {MOST_VALUES:,} values", line, "Keep the one table's part of it."
            )
        if depth > DEEPEST:
            raise self.too_deep(line)

    # JSON
    def json(self, text: str) -> Json:
        try:
            return self.plain(json.loads(text, object_pairs_hook=self.unique), 0)
        except json.JSONDecodeError as e:
            raise self.refused(f"this is not JSON: {e.msg}", e.lineno, "Mend that line.") from None
        except ValueError as e:  # a number of more digits than Python reads
            raise self.refused(f"this is not JSON: {e}", 0, "Look at its numbers.") from None

    def unique(self, pairs: list[tuple[str, Json]]) -> Block:
        out = Block()
        for key, value in pairs:
            if key in out:
                raise self.refused(f"the key {key!r} stands twice in one object", 0, "Keep the one that is meant.")
            out[key] = value
        return out

    def plain(self, value: Json, depth: int) -> Json:
        self.counted(depth, 0)
        if isinstance(value, Block):
            for key in value:
                value[key] = self.plain(value[key], depth + 1)
            return value
        if isinstance(value, list):
            return [self.plain(v, depth + 1) for v in value]
        return self.finite(value, 0)

    def finite(self, value: Json, line: int) -> Json:
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refused(f"{value!r} is no number to compare with", line, "Write a number, or leave it out.")
        return value

    # YAML
    def yaml(self, text: str) -> Json:
        import yaml  # only files of others are YAML

        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            return None if node is None else self.built(node, yaml.SafeLoader(""), 0)
        except yaml.YAMLError as e:
            mark = getattr(e, "problem_mark", None) or getattr(e, "context_mark", None)
            problem = getattr(e, "problem", None) or str(e).partition("\n")[0]
            raise self.refused(
                f"this is not YAML: {problem}", mark.line + 1 if mark else 0, "Mend that line."
            ) from None

    def built(self, node: Any, loader: Any, depth: int) -> Json:
        line = node.start_mark.line + 1
        self.counted(depth, line)
        if id(node) in self.seen:
            raise self.refused("an alias (*name) is used", line, "Write the value out where the alias stands.")
        self.seen.add(id(node))
        if node.tag not in TAGS:
            raise self.refused(f"the tag {node.tag!r} is used", line, "Write a plain text, number or date.")
        if node.id == "mapping":
            return self.mapping(node, loader, depth, line)
        if node.id == "sequence":
            return [self.built(child, loader, depth + 1) for child in node.value]
        try:
            value = loader.construct_object(node)
        except (ValueError, OverflowError):
            raise self.refused(
                f"{node.value[:80]!r} can't be read", line, "Put it in quotes if it is a text."
            ) from None
        if isinstance(value, datetime.datetime):
            return value.isoformat(sep=" ")
        return value.isoformat() if isinstance(value, datetime.date) else self.finite(value, line)

    def mapping(self, node: Any, loader: Any, depth: int, line: int) -> Block:
        out = Block()
        out.line = line
        for key_node, value_node in node.value:
            if key_node.id != "scalar":
                raise self.refused("a key is no text", key_node.start_mark.line + 1, "Write a plain name.")
            key = str(key_node.value)
            if key in out or key == "<<":
                said = "a merge (<<) is used" if key == "<<" else f"the key {key!r} stands twice in one mapping"
                raise self.refused(said, key_node.start_mark.line + 1, "Write it out once.")
            out[key] = self.built(value_node, loader, depth + 1)
        return out


def dumped(document: Mapping[str, Json]) -> str:
    """The document as YAML, keys in the order given; texts that look like something else are quoted."""
    import yaml

    text: str = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=110)
    return text
