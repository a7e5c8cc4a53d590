"""Fine-tunes a chat model (Qwen2.5-0.5B-Instruct and its like) on sentences and plans, whole or by low-rank adapters.

It sees what it will see when it reads: the language, the nearest examples, the catalog and the sentence, in its own chat
template; only the plan counts for the loss. LoRA (Hu et al. 2021, arXiv 2106.09685): a matrix stays as it is, and
the product of two thin ones is learned beside it. It is added in at the end, and kept apart as adapter.safetensors.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from intendant.catalog import Catalog
from intendant.errors import ModelError
from intendant.model.training.catalogs import World, load_worlds
from intendant.model.training.generate import HELD_OUT, Pair, bank, is_held_out
from intendant.model.training.train import data_hash
from intendant.model.training.workspace import SHARE
from intendant.model.weights import fingerprint
from intendant.planner.ground import ground
from intendant.planner.language_reader import Example, LanguageReader

__all__ = ["LanguageSettings", "tune_language"]

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
IGNORED = -100


@dataclass(frozen=True)
class LanguageSettings:
    """`rank` 0 trains all weights. `longest` in tokens: a sample that is longer loses examples, then is left out."""

    base: str
    rank: int = 16
    steps: int = 2_000
    minutes: float = 60.0
    batch: int = 4
    rate: float = 2e-4
    longest: int = 2_048
    seed: int = 1
    threads: int = 2


class Lora(nn.Module):
    """A linear layer with the product of two thin matrices beside it; the second begins at zero."""

    def __init__(self, inner: nn.Linear, rank: int) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Parameter(torch.randn(rank, inner.in_features) / math.sqrt(inner.in_features))
        self.up = nn.Parameter(torch.zeros(inner.out_features, rank))
        self.scale = 2.0

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x) + (x @ self.down.T @ self.up.T) * self.scale
        return out

    def whole(self) -> nn.Linear:
        """The layer with the product added in."""
        with torch.no_grad():
            self.inner.weight += (self.up @ self.down) * self.scale
        return self.inner


def adapted(model: nn.Module, rank: int) -> dict[str, Lora]:
    """Puts adapters into the model, whose own weights stay; they are returned by name."""
    for p in model.parameters():
        p.requires_grad = False
    found: dict[str, Lora] = {}
    for name, part in list(model.named_modules()):
        if isinstance(part, nn.Linear) and name.rpartition(".")[2] in ADAPTED:
            found[name] = Lora(part, rank)
            setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], found[name])
    return found


class Samples:
    """Conversations about the bank's sentences, and the workspace's own among them."""

    def __init__(self, tokenizer: Any, own: Sequence[Pair], world: World | None, settings: LanguageSettings) -> None:
        self.tokenizer, self.settings = tokenizer, settings
        self.rng = random.Random(settings.seed)
        self.worlds = {n: w for n, w in load_worlds().items() if n not in HELD_OUT}
        self.pairs = [p for i, p in enumerate(bank()) if not is_held_out(p, i) and p.catalog in self.worlds]
        self.own = list(own)
        if world is not None:
            self.worlds[world.name] = world
        self.reader = LanguageReader(silent, [Example(p.text, p.plan) for p in self.pairs])

    def __iter__(self) -> Iterator[tuple[list[int], list[int]]]:
        """(tokens, labels) without end; labels are IGNORED before the plan."""
        too_long = 0
        while too_long < 200:
            mine = bool(self.own) and self.rng.random() < SHARE
            made = self.one(self.rng.choice(self.own if mine else self.pairs))
            too_long = 0 if made else too_long + 1
            if made is not None:
                yield made
        raise ModelError(
            f"no sample fits into {self.settings.longest} tokens: the language alone is nearly as long",
            where="longest",
            hint="Train a model with a longer context.",
        )

    def one(self, pair: Pair) -> tuple[list[int], list[int]] | None:
        said = self.reader.messages(ground(pair.text, self.worlds[pair.catalog].index))
        examples = [said[i : i + 2] for i in range(1, len(said) - 1, 2)]
        examples = [e for e in examples if e[0][1] != f"Request: {pair.text}"]
        while True:
            before = [said[0], *(m for e in examples for m in e), said[-1]]
            prompt = self.tokens([{"role": r, "content": c} for r, c in before])
            answer = self.tokenizer(pair.plan, add_special_tokens=False)["input_ids"] + [self.tokenizer.eos_token_id]
            if len(prompt) + len(answer) <= self.settings.longest:
                return prompt + answer, [IGNORED] * len(prompt) + answer
            if not examples:
                return None
            examples = examples[1:]

    def tokens(self, messages: list[dict[str, str]]) -> list[int]:
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found


def silent(messages: list[tuple[str, str]], most: int, grammar: str) -> str:
    raise ModelError("this reader only says what would be asked")


def opened(base: Path) -> tuple[Any, Any]:
    """Tokenizer and model of a checkpoint's folder. Raises ModelError."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    hint = "The folder must hold config.json, the weights in safetensors, and a tokenizer with a chat template."
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(base), local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(str(base), local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as e:
        raise ModelError(
            f"{base.name!r} can't be loaded: {str(e).splitlines()[0][:200]}", where=str(base), hint=hint
        ) from None
    if not tokenizer.chat_template or tokenizer.eos_token_id is None:
        raise ModelError(
            f"{base.name!r} has no chat template, or no token that ends an answer", where=str(base), hint=hint
        )
    return tokenizer, model


def batches(samples: Samples, size: int, pad: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(tokens, labels, attention mask), padded on the right."""
    stream = iter(samples)
    while True:
        group = [next(stream) for _ in range(size)]
        n = max(len(t) for t, _ in group)
        tokens = torch.tensor([t + [pad] * (n - len(t)) for t, _ in group])
        labels = torch.tensor([x + [IGNORED] * (n - len(x)) for _, x in group])
        mask = torch.tensor([[1] * len(t) + [0] * (n - len(t)) for t, _ in group])
        yield tokens, labels, mask


def tune_language(
    settings: LanguageSettings,
    folder: Path,
    own: Sequence[Pair] = (),
    catalog: Catalog | None = None,
    values: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> dict[str, object]:
    """Trains and writes a checkpoint to `folder` (with adapter.safetensors when by adapters) and its card, language.json.

    Runs on the GPU where there is one. Returns the card. Raises ModelError for a base that can't be used.
    """
    from safetensors.torch import save_file

    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    tokenizer, model = opened(Path(settings.base))
    loras = adapted(model, settings.rank) if settings.rank else {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    world = World(own[0].catalog, catalog, values or {}) if own and catalog is not None else None
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=settings.rate, betas=(0.9, 0.98), weight_decay=0.01)
    stream = batches(Samples(tokenizer, own, world, settings), settings.batch, tokenizer.pad_token_id or 0)
    started, losses, step = time.monotonic(), list[tuple[int, float]](), 0
    while step < settings.steps and time.monotonic() - started < 60 * settings.minutes:
        share = max(step / settings.steps, (time.monotonic() - started) / (60 * settings.minutes))
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * min(1.0, (step + 1) / 20) * max(1 - share, 0.02)
        tokens, labels, mask = (t.to(device) for t in next(stream))
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = model(input_ids=tokens, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 10 == 0 or step == settings.steps:
            losses.append((step, round(float(loss.detach()), 4)))
            print(f"step {step} loss {losses[-1][1]:.3f}", flush=True)
    if loras:
        kept = {
            f"{n}.{part}": getattr(x, part).detach().cpu().contiguous()
            for n, x in loras.items()
            for part in ("down", "up")
        }
        save_file(kept, str(folder / "adapter.safetensors"))
        for name, part in loras.items():
            setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], part.whole())
    model.to("cpu").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return written(folder, settings, losses, step, sum(p.numel() for p in learned))


def written(
    folder: Path, settings: LanguageSettings, losses: list[tuple[int, float]], steps: int, learned: int
) -> dict[str, object]:
    """The card, which it also writes."""
    base = sorted(Path(settings.base).glob("*.safetensors"))
    card: dict[str, object] = {
        "settings": asdict(settings),
        "base": hashlib.sha256("".join(map(fingerprint, base)).encode()).hexdigest(),
        "data": data_hash(),
        "learned_parameters": learned,
        "steps": steps,
        "loss": losses,
    }
    (folder / "language.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card
