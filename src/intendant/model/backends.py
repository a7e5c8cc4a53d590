"""Where an agent's model runs: transformers, a GGUF file in process, or a server; each loaded at first use."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Protocol, TypedDict, cast

from intendant.errors import ModelError

__all__ = ["Backend", "Message", "open_backend"]


class Message(TypedDict):
    role: str
    content: str


class Backend(Protocol):
    def chat(self, messages: list[Message], max_tokens: int) -> str:
        """The model's next message. Raises ModelError."""
        ...


def open_backend(name: str) -> Backend:
    """The backend for a model's name. Raises ModelError with the mend."""
    if name.startswith(("http://", "https://")):
        return Server(name)
    if name.endswith(".gguf"):
        return Gguf(Path(name))
    return Transformers(name)


class Transformers:
    """A checkpoint of the hub or of a folder, with transformers; a prefix that comes again is computed once."""

    def __init__(self, name: str) -> None:
        missing = [p for p in ("torch", "transformers") if importlib.util.find_spec(p) is None]
        if missing:
            raise ModelError(
                f"{name!r} needs {' and '.join(missing)}",
                where="model",
                hint="Install them: pip install 'intendant[train]'; "
                "or name a .gguf file or a server's address instead.",
            )
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            self.tokenizer = AutoTokenizer.from_pretrained(name)
            self.model = AutoModelForCausalLM.from_pretrained(name)
        except (OSError, ValueError) as e:
            local = Path(name).is_dir()
            hint = (
                "The folder must hold config.json, the weights and the tokenizer."
                if local
                else "Its weights can't be reached: connect to the hub, or name a local folder."
            )
            raise ModelError(
                f"{name!r} can't be loaded: {str(e).splitlines()[0][:200]}", where="model", hint=hint
            ) from None
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model.to(self.device).eval()

    def chat(self, messages: list[Message], max_tokens: int) -> str:
        import torch

        text = (
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            if self.tokenizer.chat_template
            else "\n".join(f"{m['role']}: {m['content']}" for m in messages) + "\nassistant:"
        )
        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            out = self.model.generate(
                **inputs, max_new_tokens=max_tokens, do_sample=False, pad_token_id=self.tokenizer.eos_token_id
            )
        return str(self.tokenizer.decode(out[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True)).strip()


class Gguf:
    """A GGUF file run in process by llama.cpp; a prefix shared by prompts is computed once."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ModelError(f"there is no model file {str(path)!r}", where="model", hint="Check the path.")
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.cache_prompt, params.verbosity = 4096, True, -1
        params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
        try:
            self.server = xllamacpp.Server(params)
        except Exception as e:
            raise ModelError(
                f"{path.name!r} can't be loaded: {e}",
                where="model",
                hint="It must be a whole GGUF file of a chat model.",
            ) from None

    def chat(self, messages: list[Message], max_tokens: int) -> str:
        answer = self.server.handle_chat_completions(
            {"messages": messages, "max_tokens": max_tokens, "temperature": 0.0, "cache_prompt": True}
        )
        return content_of(answer)


class Server:
    """Any OpenAI-compatible server."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") + ("" if url.rstrip("/").endswith("/v1") else "/v1")

    def chat(self, messages: list[Message], max_tokens: int) -> str:
        import httpx

        key = os.environ.get("INTENDANT_MODEL_KEY", "")
        try:
            answer = httpx.post(
                f"{self.url}/chat/completions",
                json={"model": "default", "messages": messages, "max_tokens": max_tokens, "temperature": 0},
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=120,
            )
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            raise ModelError(
                f"the model server does not answer: {type(e).__name__}",
                where=self.url,
                hint="Start it, or check the address and INTENDANT_MODEL_KEY.",
            ) from None
        return content_of(answer.text)


def content_of(answer: object) -> str:
    """The message in a chat completion. Raises ModelError when it has none."""
    data = answer
    try:
        data = json.loads(answer) if isinstance(answer, str | bytes) else answer
        return str(
            cast(dict[str, list[dict[str, dict[str, str]]]], data)["choices"][0]["message"]["content"] or ""
        ).strip()
    except (ValueError, KeyError, IndexError, TypeError):
        raise ModelError(
            f"the model's answer has no message: {str(data)[:200]}", where="model", hint="The model must support chat."
        ) from None
