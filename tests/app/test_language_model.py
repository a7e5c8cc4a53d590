"""An agent speaks through a server, a folder of weights or a file; what is missing is said with the mend."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from intendant.agents import DataQualityAgent, StorageAgent
from intendant.errors import ModelError, UsageError
from intendant.model.agent import LightweightLLMAgent

LACKING = [p for p in ("torch", "transformers") if importlib.util.find_spec(p) is None]


class Model:
    """An OpenAI-compatible server that says how many messages it got, or `body` when that is set."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status, self.body = 200, b""
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.asked.append(question)
                model.paths.append(self.path)
                said = {"role": "assistant", "content": f" answer to {len(question['messages'])} messages "}
                body = model.body or json.dumps({"choices": [{"message": said}]}).encode()
                self.send_response(model.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_conversation_is_kept_and_cleared(model: Model) -> None:
    agent = LightweightLLMAgent("a data engineer", model_name=model.url)
    assert agent.generate_response("Hello?", max_tokens=7) == "answer to 2 messages"
    assert agent.generate_response("And then?") == "answer to 4 messages"
    assert [m["content"] for m in model.asked[1]["messages"]] == [
        "You are a data engineer. Answer briefly.", "Hello?", "answer to 2 messages", "And then?",
    ]  # fmt: skip
    assert (model.asked[0]["max_tokens"], model.paths[0]) == (7, "/v1/chat/completions")
    assert len(agent.conversation_history) == 4
    agent.clear_history()
    assert agent.conversation_history == [] and agent.generate_response("Again?") == "answer to 2 messages"


def test_agents_of_one_model_share_one_backend_and_no_conversation(model: Model) -> None:
    quality, storage = DataQualityAgent(model_name=model.url), StorageAgent(model_name=model.url)
    quality.generate_response("a")
    assert storage.generate_response("b") == "answer to 2 messages"
    assert quality._backend() is storage._backend() and len(storage.conversation_history) == 2
    assert "quality agent" in model.asked[0]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, b"{}", "the model server does not answer: HTTPStatusError"),
        (200, b"{}", "the model's answer has no message"),
        (200, b"[]", "the model's answer has no message"),
        (200, b'{"choices": []}', "the model's answer has no message"),
        (200, b"<html>busy</html>", "the model's answer has no message"),
    ],
)
def test_a_server_without_an_answer_is_a_model_error_and_the_question_is_forgotten(
    status: int, body: bytes, message: str, model: Model
) -> None:
    model.status, model.body = status, body
    agent = LightweightLLMAgent("an engineer", model_name=model.url)
    with pytest.raises(ModelError, match=message) as e:
        agent.generate_response("Hello?")
    assert e.value.hint and agent.conversation_history == []


@pytest.mark.parametrize("name", ["http://127.0.0.1:1", "http://[nowhere", "no/such/file.gguf"])
def test_a_model_that_can_t_be_reached_is_a_model_error_with_the_mend(name: str) -> None:
    with pytest.raises(ModelError) as e:
        LightweightLLMAgent("an engineer", model_name=name).generate_response("Hello?")
    assert e.value.hint


def test_a_file_that_is_no_model_is_a_model_error(tmp_path: Path) -> None:
    (tmp_path / "noise.gguf").write_bytes(b"noise" * 100)
    with pytest.raises(ModelError, match=r"'noise.gguf' can't be loaded"):
        LightweightLLMAgent("an engineer", model_name=str(tmp_path / "noise.gguf")).generate_response("Hello?")


def test_an_answer_of_no_tokens_is_not_asked_for() -> None:
    with pytest.raises(UsageError, match="max_tokens is 0"):
        LightweightLLMAgent("an engineer").generate_response("Hello?", max_tokens=0)


def test_a_model_that_isn_t_there_says_what_is_missing(tmp_path: Path) -> None:
    if LACKING:
        with pytest.raises(ModelError) as e:
            LightweightLLMAgent("an engineer").generate_response("Hello?")
        assert e.value.message == f"'Qwen/Qwen2.5-0.5B-Instruct' needs {' and '.join(LACKING)}"
        assert "pip install 'intendant[train]'" in e.value.hint
    else:
        with pytest.raises(ModelError, match="can't be loaded") as e:
            LightweightLLMAgent("an engineer", model_name=str(tmp_path)).generate_response("Hello?")
        assert "config.json" in e.value.hint


@pytest.mark.train
@pytest.mark.skipif(bool(LACKING), reason=f"{' and '.join(LACKING)} missing: pip install 'intendant[train]'")
def test_a_checkpoint_in_a_folder_is_loaded_and_speaks(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    words = ["<unk>", "<end>", "You", "are", "an", "engineer", ".", "Answer", "briefly", ":", "system", "user", "assistant"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>").save_pretrained(tmp_path)
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    agent = LightweightLLMAgent("an engineer", model_name=str(tmp_path))
    answer = agent.generate_response("Answer", max_tokens=5)
    assert re.fullmatch(f"(({'|'.join(map(re.escape, words))}) ?){{1,5}}", answer), answer
    assert answer == LightweightLLMAgent("an engineer", model_name=str(tmp_path)).generate_response("Answer", max_tokens=5)
    assert [m["role"] for m in agent.conversation_history] == ["user", "assistant"]
