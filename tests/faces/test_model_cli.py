"""`intendant model`: what it prints, how it ends, and what it says when something is missing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.model.hub_server import hub_server
from tests.model.letters import make_letters
from tests.model.serving import serving

from intendant.workspace import Workspace

Cli = Callable[..., tuple[int, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Workspace.create(tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def cli(folder: Path) -> Cli:
    """`cli("info")` runs `intendant model info --json` in the workspace: its exit status and what it printed."""

    def run(*words: str, cwd: Path = folder, **env: str) -> tuple[int, Any]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("INTENDANT_", "HF_"))}
        done = subprocess.run(
            [sys.executable, "-m", "intendant.faces.cli", "model", *words, "--json"],
            cwd=cwd, capture_output=True, text=True, check=False, env={**own, "XDG_CACHE_HOME": str(folder / "cache"), **env},
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr
        assert len(done.stdout.strip().splitlines()) == 1, done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def test_info_tells_the_planner_s_model_anywhere(cli: Cli, tmp_path: Path) -> None:
    status, out = cli("info", cwd=tmp_path)
    file = Path(out["file"])
    assert status == 0 and out["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert out["bytes"] == file.stat().st_size and out["parameters"] > 1_000_000
    assert (out["language_model"], out["endpoint"], out["served"]) == (None, "", [])


def test_info_tells_the_workspace_s_language_model_and_where_it_is_served(cli: Cli, folder: Path) -> None:
    (folder / ".intendant" / "models").mkdir()
    file = make_letters(folder / ".intendant" / "models" / "letters.gguf")
    (folder / "intendant.toml").write_text('[model]\nendpoint = "http://127.0.0.1:8384"\n')
    with serving(file, folder / "cache") as server:
        status, out = cli("info", cwd=folder / ".intendant")
        found = out["language_model"]
        assert status == 0 and out["endpoint"] == "http://127.0.0.1:8384"
        assert (found["name"], found["parameters"], found["vocabulary"], found["chat"]) == (
            "letters",
            214_560,
            259,
            True,
        )
        assert found["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert [(s["url"], s["file"]) for s in out["served"]] == [(server.url, str(file))]


def test_a_model_is_pulled_into_the_workspace_and_can_be_served_by_its_name(
    cli: Cli, folder: Path, tmp_path: Path
) -> None:
    data = make_letters(tmp_path / "letters.gguf").read_bytes()
    with hub_server({"letters-q8_0.gguf": data}) as hub:
        status, out = cli("pull", "team/letters-GGUF", HF_ENDPOINT=hub.url)
    file = folder / ".intendant" / "models" / "letters-q8_0.gguf"
    assert (status, out["file"], out["new"]) == (0, str(file), True)
    assert cli("info")[1]["language_model"]["as_pulled"] is True
    with serving(file, folder / "cache") as server:
        status, out = cli("serve", "letters-q8_0")
        assert (status, out["already"], out["serving"]) == (0, True, server.url)
        status, out = cli("serve")
        assert (status, out["already"], out["serving"]) == (0, True, server.url)


def test_pull_without_a_hub_says_what_to_do(cli: Cli) -> None:
    status, out = cli("pull", "qwen2.5-0.5b", HF_ENDPOINT="http://127.0.0.1:1")
    assert (status, out["error"]["code"]) == (1, "model") and ".intendant/models/" in out["error"]["hint"]


def test_pull_needs_a_workspace(cli: Cli, tmp_path: Path) -> None:
    status, out = cli("pull", "qwen2.5-0.5b", cwd=tmp_path)
    assert (status, out["error"]["message"]) == (2, "there is no workspace here")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "which model to serve is not said"),
        (("none.gguf",), 1, "there is no model file"),
        (("intendant.toml",), 1, "is no whole GGUF file"),
        (("none.gguf", "--slots", "0"), 2, "slots must be 1 or more"),
        (("none.gguf", "--context", "-1"), 2, "can't be negative"),
    ],
)
def test_serve_says_what_is_wrong(words: tuple[str, ...], status: int, message: str, cli: Cli) -> None:
    found, out = cli("serve", *words)
    assert found == status and message in out["error"]["message"] and out["error"]["hint"]


def test_people_are_told_the_address(folder: Path, tmp_path: Path) -> None:
    file = make_letters(tmp_path / "letters.gguf")
    process = subprocess.Popen(
        [sys.executable, "-m", "intendant.faces.cli", "model", "serve", str(file), "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("letters is served at http://127.0.0.1:") and said.endswith("/v1\n")
        assert not said.endswith(":0/v1\n")
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0
