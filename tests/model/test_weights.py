"""A GGUF file's header is read as others write it; a cut or hostile one is an error, not a fault."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from tests.model.letters import CONTEXT, make_letters

from intendant.errors import ModelError
from intendant.model.weights import fingerprint, read_weights


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_letters(tmp_path_factory.mktemp("weights") / "letters.gguf")


def test_the_header_says_what_the_model_is(letters: Path) -> None:
    found = read_weights(letters)
    assert (found.name, found.architecture, found.context, found.vocabulary) == ("letters", "llama", CONTEXT, 259)
    assert (found.parameters, found.chat, found.bytes) == (214_560, True, letters.stat().st_size)


def test_the_fingerprint_is_the_sha256(letters: Path) -> None:
    seen: list[int] = []
    assert fingerprint(letters, seen.append) == hashlib.sha256(letters.read_bytes()).hexdigest()
    assert seen[-1] == letters.stat().st_size


def test_a_file_cut_anywhere_in_its_header_is_no_model(letters: Path, tmp_path: Path) -> None:
    data, cut = letters.read_bytes(), tmp_path / "cut.gguf"
    for length in [*range(0, 200), *range(200, 4000, 97)]:
        cut.write_bytes(data[:length])
        with pytest.raises(ModelError, match="no whole GGUF file"):
            read_weights(cut)


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62),
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 0, 2**50),
        b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 9, 1),
        b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 99),
        b"GGUF" + struct.pack("<IQQQ1sI", 3, 1, 0, 1, b"t", 2**31),
    ],
)  # fmt: skip
def test_a_hostile_header_is_no_model(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(data + bytes(64))
    with pytest.raises(ModelError, match="no whole GGUF file"):
        read_weights(tmp_path / "m.gguf")


def test_a_model_that_is_not_there_is_said_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model file") as e:
        read_weights(tmp_path / "none.gguf")
    assert "intendant model pull" in e.value.hint
