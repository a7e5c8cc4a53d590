"""The runtime: the shipped model loads, obeys a grammar, and answers the same to the same prompt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from intendant.errors import ModelError
from intendant.model.runtime import Runtime, runtime
from intendant.planner.propose import EMBEDDED, Embedded, embedded_words, moved

GRAMMAR = 'root ::= " check" (" T1" | " T2")'
PROMPT = "many | check T1"


def test_the_answer_follows_the_grammar() -> None:
    out = runtime(EMBEDDED).complete(embedded_words(EMBEDDED).prompt(PROMPT), grammar=GRAMMAR)
    assert out.text in ("check T1", "check T2")
    assert out.logprob <= 0 and out.tokens == 3


def test_the_same_prompt_gives_the_same_answer() -> None:
    tokens = embedded_words(EMBEDDED).prompt(PROMPT)
    first, second = (runtime(EMBEDDED).complete(tokens, grammar=GRAMMAR) for _ in range(2))
    assert first.text == second.text
    assert first.logprob == pytest.approx(second.logprob, abs=1e-3)


def test_a_model_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model"):
        Runtime(tmp_path / "none.gguf")


def test_a_file_that_is_no_model_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"no model at all")
    with pytest.raises(ModelError):
        Runtime(tmp_path / "bad.gguf")


def test_an_answer_without_an_end_is_an_error() -> None:
    with pytest.raises(ModelError, match="no end"):
        runtime(EMBEDDED).complete(
            embedded_words(EMBEDDED).prompt(PROMPT), grammar='root ::= " T1 T1 T1 T1 T1"', most=3
        )


def test_moved_ids_move_back() -> None:
    assert moved("check T1 for M12", 2) == "check T3 for M14"
    assert moved(moved("check T1", 5), -5) == "check T1"


def test_the_proposer_gives_the_likeliest_first() -> None:
    found = Embedded().propose(PROMPT, GRAMMAR, 5)
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)


def test_importing_the_planner_loads_neither_the_model_nor_its_runtime() -> None:
    code = "import sys, intendant.planner; print('xllamacpp' in sys.modules, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
