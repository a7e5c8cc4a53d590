"""`intendant model memory / forget / train / eval / use`: what they print, change, and say when something is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.model.tiny_reader import make_reader

from intendant.app import Intendant
from intendant.workspace import Workspace

Cli = Callable[..., tuple[int, Any]]


@pytest.fixture
def folder(shop: Intendant, workspace: Path) -> Path:
    """The shop's workspace with one corrected sentence, closed."""
    shop.do("tidy up orders", answers={"other": "check orders"})
    shop.close()
    return workspace


@pytest.fixture
def cli(folder: Path) -> Cli:
    """`cli("memory")` runs `intendant model memory --json` in the workspace: its exit status and what it printed."""

    def run(*words: str, cwd: Path = folder) -> tuple[int, Any]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("INTENDANT_")}
        done = subprocess.run(
            [sys.executable, "-m", "intendant.faces.cli", "model", *words, "--json"],
            cwd=cwd, capture_output=True, text=True, check=False, env=own,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def test_the_memory_is_shown_and_an_example_can_be_forgotten(cli: Cli) -> None:
    status, out = cli("memory")
    (example,) = out["examples"]
    assert status == 0 and out["answers"] == []
    said = {k: example[k] for k in ("sentence", "plan", "verdict", "form")}
    assert said == {"sentence": "tidy up orders", "plan": "check orders", "verdict": "corrected", "form": "tidy up T1"}
    status, out = cli("forget", str(example["number"] + 1))
    assert status == 2 and "there is no example" in out["error"]["message"]
    assert cli("forget", str(example["number"])) == (0, {"forgotten": 1})
    assert cli("memory")[1]["examples"] == []


@pytest.mark.parametrize("words", [(), ("1", "--all")])
def test_forget_wants_a_number_or_all(words: tuple[str, ...], cli: Cli) -> None:
    status, out = cli("forget", *words)
    assert status == 2 and out["error"]["hint"] == "Give an example's number, or --all."


def test_a_damaged_memory_is_told_with_the_mend_and_the_mend_works(cli: Cli, folder: Path) -> None:
    (folder / ".intendant" / "memory.sqlite").write_bytes(b"not a database at all" * 300)
    status, out = cli("memory")
    assert (status, out["error"]["code"]) == (1, "damaged")
    assert "`intendant model forget --all`" in out["error"]["hint"]
    assert cli("forget", "--all")[0] == 0
    assert cli("memory") == (0, {"examples": [], "answers": []})


def test_a_model_that_was_not_scored_is_taken_by_force_only(cli: Cli, folder: Path) -> None:
    make_reader(folder / ".intendant" / "models" / "mine")
    status, out = cli("use", "mine")
    assert status == 2 and "`intendant model eval mine`" in out["error"]["hint"]
    assert cli("use", "mine", "--force")[1]["planner"] == ".intendant/models/mine/reader.npz"
    assert Workspace.open(folder).model.planner == ".intendant/models/mine/reader.npz"
    assert cli("use", "embedded") == (0, {"planner": "embedded", "before": ".intendant/models/mine/reader.npz"})


@pytest.mark.parametrize("words", [("memory",), ("forget", "--all"), ("train", "x"), ("eval",), ("use", "x")])
def test_each_needs_a_workspace(words: tuple[str, ...], cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    status, out = cli(*words, cwd=tmp_path_factory.mktemp("elsewhere"))
    assert (status, out["error"]["message"]) == (2, "there is no workspace here")


def test_training_says_what_is_missing(cli: Cli) -> None:
    status, out = cli("train", "../mine")
    assert status == 2 and "can't be a model's name" in out["error"]["message"]
    cli("forget", "--all")
    status, out = cli("train", "mine")
    assert status == 2 and "no examples to learn from" in out["error"]["message"]


def test_an_unknown_model_is_told_with_those_there_are(cli: Cli) -> None:
    status, out = cli("use", "mine")
    assert status == 2 and "embedded" in out["error"]["hint"]
