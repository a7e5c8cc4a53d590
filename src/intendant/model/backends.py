"""Where an agent's model runs: transformers, a GGUF file in process, or a server; each loaded at first use."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import time
from pathlib import Path
from typing import Protocol, TypedDict, cast

from intendant.errors import ModelError
from intendant.model.server.registration import running
from intendant.model.weights import fingerprint

__all__ = ["Backend", "Message", "open_backend"]


KEY = "INTENDANT_MODEL_KEY"
BUSY = (429, 503)
UNKNOWN_FIELD = (400, 422)
TRIES = 3
LONGEST_PAUSE = 10.0


class Message(TypedDict):
    role: str
    content: str


class Backend(Protocol):
    def chat(self, messages: list[Message], max_tokens: int, grammar: str = "") -> str:
        """The model's next message, in the words of a GBNF grammar where the model can be held to one. Raises ModelError."""
        ...


def open_backend(name: str) -> Backend:
    """The backend for a model's name. Raises ModelError with the mend."""
    if name.startswith(("http://", "https://")):
        return Server(name)
    if name.endswith(".gguf"):
        return served_here(Path(name)) or Gguf(Path(name))
    return Transformers(name)


def served_here(path: Path) -> Backend | None:
    """The server that has this file loaded on this machine, if one runs and its key is known."""
    key = KEY in os.environ
    found = [r for r in running() if r.file == str(path.resolve()) and (key or not r.key)]
    return Server(found[0].url) if found and path.is_file() and fingerprint(path) == found[0].sha256 else None


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

    def chat(self, messages: list[Message], max_tokens: int, grammar: str = "") -> str:
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
    """A GGUF file run in process by llama.cpp; a prefix shared by prompts is computed once.

    llama.cpp's own port is closed to others by a key that nobody knows.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ModelError(f"there is no model file {str(path)!r}", where="model", hint="Check the path.")
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.cache_prompt, params.verbosity = 4096, True, -1
        params.api_keys, params.ui = [secrets.token_urlsafe(32)], False
        params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) // 2)
        try:
            self.server = xllamacpp.Server(params)
        except Exception as e:
            raise ModelError(
                f"{path.name!r} can't be loaded: {e}",
                where="model",
                hint="It must be a whole GGUF file of a chat model.",
            ) from None

    def chat(self, messages: list[Message], max_tokens: int, grammar: str = "") -> str:
        asked = {"messages": messages, "max_tokens": max_tokens, "temperature": 0.0, "cache_prompt": True}
        return content_of(self.server.handle_chat_completions(asked | ({"grammar": grammar} if grammar else {})))


class Server:
    """Any OpenAI-compatible server. A busy one is asked again, when it says so."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") + ("" if url.rstrip("/").endswith("/v1") else "/v1")

    def chat(self, messages: list[Message], max_tokens: int, grammar: str = "") -> str:
        import httpx

        key = os.environ.get(KEY, "")
        asked: dict[str, object] = {
            "model": "default",
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        asked |= {"grammar": grammar} if grammar else {}
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            for last in (n == TRIES for n in range(1, TRIES + 1)):
                answer = httpx.post(f"{self.url}/chat/completions", json=asked, headers=headers, timeout=120)
                if answer.status_code in UNKNOWN_FIELD and asked.pop("grammar", None) and not last:
                    continue  # a server of another make knows no grammars; its answer is checked all the same
                if answer.status_code not in BUSY or last:
                    break
                time.sleep(pause(answer.headers.get("Retry-After", "")))
            answer.raise_for_status()
        except httpx.HTTPStatusError as e:
            raise ModelError(
                f"the model server does not answer: HTTPStatusError {e.response.status_code}{said(e.response.text)}",
                where=self.url,
                hint=f"Check the address and {KEY}; a busy server has time later.",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            raise ModelError(
                f"the model server does not answer: {type(e).__name__}",
                where=self.url,
                hint=f"Start it, or check the address and {KEY}.",
            ) from None
        return content_of(answer.text)


def pause(retry_after: str) -> float:
    """Seconds to wait, as the server says them."""
    return min(float(retry_after), LONGEST_PAUSE) if retry_after.isdigit() else 1.0


def said(body: str) -> str:
    """The message of an error in OpenAI's shape."""
    try:
        return f": {json.loads(body)['error']['message']}"[:300]
    except (ValueError, KeyError, TypeError):
        return ""


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
