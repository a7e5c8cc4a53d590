"""Agents speak through the model server that the workspace names, or that has their file loaded on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.model.letters import make_letters
from tests.model.serving import serving

from intendant.errors import ModelError
from intendant.model.agent import LightweightLLMAgent
from intendant.model.backends import Gguf, Server
from intendant.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, a folder in it that is the current one, and a cache folder of its own."""
    Workspace.create(tmp_path)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("INTENDANT_MODEL_KEY", raising=False)
    monkeypatch.setattr(LightweightLLMAgent, "_backends", {})
    return tmp_path


def test_an_agent_speaks_through_the_endpoint_of_the_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(make_letters(folder / "letters.gguf"), folder / "cache", key="k") as server:
        (folder / "intendant.toml").write_text(f'[model]\nendpoint = "{server.url}"\n')
        with pytest.raises(ModelError, match="HTTPStatusError 401: no valid API key"):
            LightweightLLMAgent("a data engineer").generate_response("Hello?")
        monkeypatch.setenv("INTENDANT_MODEL_KEY", "k")
        assert LightweightLLMAgent("a data engineer").generate_response("Hello?", max_tokens=4) == "abcd"
        assert server.metric("intendant_model_requests_total", route="/v1/chat/completions", status="200") == 1


def test_a_file_that_is_served_here_is_not_loaded_again(folder: Path) -> None:
    file = make_letters(folder / "letters.gguf")
    agent = LightweightLLMAgent("a data engineer", model_name=str(file))
    with serving(file, folder / "cache"):
        assert isinstance(agent._backend(), Server)
        assert agent.generate_response("Hello?", max_tokens=3) == "abc"
    LightweightLLMAgent._backends.clear()
    assert isinstance(agent._backend(), Gguf)
    assert agent.generate_response("And now?", max_tokens=3) == "abc"


def test_a_served_file_whose_key_is_not_known_is_loaded_here(folder: Path) -> None:
    file = make_letters(folder / "letters.gguf")
    with serving(file, folder / "cache", key="k"):
        agent = LightweightLLMAgent("a data engineer", model_name=str(file))
        assert isinstance(agent._backend(), Gguf)


def test_an_agent_takes_the_workspace_s_only_model_or_the_named_one(folder: Path) -> None:
    models = folder / ".intendant" / "models"
    models.mkdir()
    make_letters(models / "a.gguf")
    assert isinstance(LightweightLLMAgent("an engineer")._backend(), Gguf)
    make_letters(models / "b.gguf")
    with pytest.raises(ModelError, match="which model is meant") as e:
        LightweightLLMAgent("an engineer")._backend()
    assert "a.gguf, b.gguf" in e.value.hint
    (folder / "intendant.toml").write_text('[model]\npath = ".intendant/models/b.gguf"\n')
    LightweightLLMAgent("an engineer")._backend()
    assert list(LightweightLLMAgent._backends) == [str(models / n) for n in ("a.gguf", "b.gguf")]
