"""What a GGUF file says of itself: its header is read, its weights are not.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 3; 2 differs in nothing read here).
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from intendant.errors import ModelError

__all__ = ["Weights", "fingerprint", "read_weights"]

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9
MOST_PARTS = 1_000_000
"""Settings, tensors or tokens in a header; the largest vocabularies have a quarter of it."""
MOST_TEXT = 16_000_000
MOST_DIMENSIONS = 4
Value = int | float | bool | str


@dataclass(frozen=True)
class Weights:
    """A model file. `context` in tokens (0: not said), `vocabulary` in tokens, `chat` whether it has a chat template."""

    path: Path
    name: str
    architecture: str
    parameters: int
    context: int
    vocabulary: int
    chat: bool
    bytes: int


class Cut(Exception):
    """The file ends inside its header, or its header says what can't be."""


class Header:
    """Reads a header's values in order."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def raw(self, count: int) -> bytes:
        data = self.file.read(count) if count <= MOST_TEXT else b""
        if len(data) != count:
            raise Cut
        return data

    def number(self, kind: str) -> int:
        return int(struct.unpack(f"<{kind}", self.raw(struct.calcsize(kind)))[0])

    def count(self, most: int = MOST_PARTS) -> int:
        found = self.number("Q")
        if found > most:
            raise Cut
        return found

    def text(self) -> str:
        return self.raw(self.count(MOST_TEXT)).decode("utf-8", "replace")

    def value(self) -> Value:
        return self.of(self.number("I"))

    def of(self, kind: int) -> Value:
        """A value of a kind; of an array, how long it is."""
        if kind in NUMBERS:
            letter = NUMBERS[kind]
            found: Value = struct.unpack(f"<{letter}", self.raw(struct.calcsize(letter)))[0]
            return found
        if kind == TEXT:
            return self.text()
        if kind == ARRAY:
            return self.passed(self.number("I"), self.count())
        raise Cut

    def passed(self, kind: int, count: int) -> int:
        """Reads over an array; arrays of arrays are not in any model."""
        if kind in NUMBERS:
            for _ in range(count):
                self.raw(struct.calcsize(NUMBERS[kind]))
        elif kind == TEXT:
            for _ in range(count):
                self.raw(self.count(MOST_TEXT))
        else:
            raise Cut
        return count

    def tensor(self) -> int:
        """How many weights the next tensor has."""
        self.text()
        dimensions = self.number("I")
        if dimensions > MOST_DIMENSIONS:
            raise Cut
        size = math.prod(self.number("Q") for _ in range(dimensions))
        self.raw(12)  # its kind and its place
        return size


def read_weights(path: Path) -> Weights:
    """What the file says of itself. Raises ModelError for a file that isn't there or is no GGUF file."""
    try:
        with path.open("rb") as file:
            return _read(path, Header(file))
    except OSError as e:
        raise ModelError(
            f"there is no model file {str(path)!r}: {e.strerror}",
            where="model",
            hint="Check the path, or `intendant model pull`.",
        ) from None
    except (Cut, struct.error):
        raise ModelError(
            f"{path.name!r} is no whole GGUF file", where=str(path), hint="Get it again: `intendant model pull`."
        ) from None


def _read(path: Path, header: Header) -> Weights:
    if header.raw(4) != b"GGUF" or header.number("I") not in (2, 3):
        raise Cut
    tensors, settings = header.count(), header.count()
    said: dict[str, Value] = {header.text(): header.value() for _ in range(settings)}
    kind = str(said.get("general.architecture", ""))
    return Weights(
        path=path,
        name=str(said.get("general.name", path.stem)),
        architecture=kind,
        parameters=sum(header.tensor() for _ in range(tensors)),
        context=_whole(said, f"{kind}.context_length"),
        vocabulary=_whole(said, "tokenizer.ggml.tokens") or _whole(said, f"{kind}.vocab_size"),
        chat="tokenizer.chat_template" in said,
        bytes=path.stat().st_size,
    )


def _whole(said: Mapping[str, Value], key: str) -> int:
    found = said.get(key, 0)
    return int(found) if isinstance(found, int | float) else 0


def fingerprint(path: Path, watch: Callable[[int], None] = lambda n: None) -> str:
    """The file's SHA-256, in hexadecimal. `watch` is told the bytes read so far. Raises OSError."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            watch(done := done + len(block))
    return digest.hexdigest()
