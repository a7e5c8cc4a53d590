"""llama.cpp in this process: one model loaded once, token numbers in, tokens with their log-probabilities out."""

from __future__ import annotations

import functools
import math
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intendant.errors import ModelError

__all__ = ["Completion", "Runtime", "runtime"]

COOL = 0.02
"""Near-greedy. Exactly 0 would make llama.cpp throw away the tokens that the grammar needs."""


@dataclass(frozen=True)
class Completion:
    """What the model wrote; `logprob` is the sum over its tokens, `least` the surest-to-doubt: its least likely token's."""

    text: str
    logprob: float
    least: float
    tokens: int


class Runtime:
    """A GGUF model in memory. `complete` may be called from any thread; calls take turns."""

    def __init__(self, path: Path, *, context: int = 512, threads: int = 1) -> None:
        """Loads the model. One thread: at a few million parameters a second one waits more than it works. Raises ModelError."""
        if not path.is_file():
            raise ModelError(
                f"there is no model at {str(path)!r}", hint="Train one: `python -m intendant.model.training`."
            )
        import xllamacpp

        p = xllamacpp.CommonParams()
        p.model.path = str(path)
        p.n_ctx, p.n_parallel, p.n_gpu_layers, p.verbosity = context, 1, 0, -1
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
        p.warmup, p.ui = True, False
        p.api_keys = [secrets.token_urlsafe(32)]  # llama.cpp always opens a port; nobody else may use it
        try:
            self.server = xllamacpp.Server(p)
        except RuntimeError as e:
            raise ModelError(f"the model at {str(path)!r} can't be loaded: {e}") from None
        self.turn = threading.Lock()

    def complete(
        self,
        prompt: Sequence[int],
        *,
        grammar: str = "",
        most: int = 80,
        temperature: float = COOL,
        seed: int = 0,
    ) -> Completion:
        """Continues a prompt of token numbers until the model ends it. Raises ModelError."""
        asked: dict[str, object] = {
            "prompt": list(prompt),
            "max_tokens": most,
            "temperature": temperature,
            "seed": seed,
            "cache_prompt": True,
            "n_probs": 1,
            "samplers": ["temperature"],
            "repeat_penalty": 1.0,
        }
        if grammar:
            asked["grammar"] = grammar
        with self.turn:
            answer = self.server.handle_completions(asked)
        if "error" in answer:
            raise ModelError(f"the model does not answer: {answer['error'].get('message', '')}")
        choice = answer["choices"][0]
        if choice["finish_reason"] == "length":
            raise ModelError("the model's answer has no end")
        found = [t["logprob"] for t in (choice["logprobs"] or {}).get("content", ())]
        logs = [x if x is not None and math.isfinite(x) else -20.0 for x in found]
        return Completion(choice["text"].strip(), sum(logs), min(logs, default=0.0), len(logs))


@functools.lru_cache(maxsize=4)
def runtime(path: Path) -> Runtime:
    """The model at this path, loaded once in a process."""
    return Runtime(path)
