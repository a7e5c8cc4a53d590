"""llama.cpp's own server in this process, on a port of this machine with a key that only this process knows."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from intendant.errors import ModelError
from intendant.model.weights import read_weights

__all__ = ["Engine", "start_engine"]

SMALL = 50_000_000
"""Parameters below which a second thread waits more than it works."""
CACHE_MB = 512
"""Memory for prefixes of prompts whose slot went to another request."""
CONTEXT = 4096


@dataclass(frozen=True)
class Engine:
    """A loaded model. `context`: tokens of one request, prompt and answer together."""

    url: str
    key: str = field(repr=False)
    context: int
    server: object = field(repr=False)


def start_engine(path: Path, name: str, *, slots: int, context: int = 0, threads: int = 0) -> Engine:
    """Loads the model. `context` 0: what the model was trained for, at most 4096; `threads` 0: by size and machine.

    Raises ModelError.
    """
    weights = read_weights(path)
    length = min(context or CONTEXT, weights.context or context or CONTEXT)
    import xllamacpp

    p = xllamacpp.CommonParams()
    p.model.path, p.model_alias = str(path), {name}
    p.n_ctx, p.n_parallel, p.kv_unified = length * slots, slots, False
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads or (1 if weights.parameters < SMALL else cores())
    p.api_keys, p.ui, p.verbosity = [key := secrets.token_urlsafe(32)], False, -1
    p.endpoint_metrics, p.endpoint_slots, p.endpoint_props = True, False, False
    p.cache_prompt, p.cache_ram_mib, p.ctx_shift, p.warmup = True, CACHE_MB, False, True
    try:
        server = xllamacpp.Server(p)
    except RuntimeError as e:
        raise ModelError(
            f"{path.name!r} can't be loaded: {e}",
            where=str(path),
            hint="Is there memory for it? A smaller --context or fewer --slots need less.",
        ) from None
    return Engine(str(server.listening_address), key, length, server)


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
