"""Trains the planner's network from scratch on generated samples; every few minutes there is a model to ship."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from intendant.model.training.catalogs import load_worlds
from intendant.model.training.export import export
from intendant.model.training.generate import HELD_OUT, Sample, bank, is_held_out, sample_of, samples
from intendant.model.training.network import Network, Shape
from intendant.model.training.words import build_vocabulary
from intendant.model.vocabulary import Vocabulary
from intendant.planner.ids import Unsayable

__all__ = ["Muon", "Settings", "train"]


class Muon(torch.optim.Optimizer):
    """Momentum whose every step on a matrix is made orthogonal by five Newton-Schulz rounds (Jordan et al., 2024).

    Learns from fewer samples than Adam at this size; for matrices inside the blocks only.
    """

    def __init__(
        self, parameters: list[torch.nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - g["momentum"])
                update = orthogonal(p.grad.lerp(buffer, g["momentum"]))
                p.mul_(1 - g["lr"] * g["weight_decay"])
                p.add_(update, alpha=-g["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


def orthogonal(m: Tensor, rounds: int = 5) -> Tensor:
    """The nearest matrix with equal singular values, roughly."""
    x = m.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if tall else x).float()


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on beside the data. `minutes` bounds the training itself."""

    seed: int = 1
    samples: int = 150_000
    minutes: float = 45.0
    steps: int = 12_000
    batch: int = 96
    rate: float = 3e-3
    matrix_rate: float = 0.02
    dropout: float = 0.05
    width: int = 192
    layers: int = 5
    threads: int = 2
    start: str = ""
    """A checkpoint to go on from; its vocabulary is kept."""


@dataclass
class Curve:
    """What a run showed on its way: (step, loss), (step, exact share of validation plans)."""

    loss: list[tuple[int, float]] = field(default_factory=list)
    exact: list[tuple[int, float]] = field(default_factory=list)


Encoded = tuple[list[int], int]
"""Token numbers of prompt and plan, and how many are the prompt's."""


def encoded(found: Sequence[Sample], vocabulary: Vocabulary, longest: int) -> list[Encoded]:
    out = []
    for s in found:
        if any(t not in vocabulary.ids for t in s.plan.split()):
            continue
        prompt = vocabulary.prompt(s.prompt)
        both = prompt + vocabulary.plan(s.plan)
        if len(both) <= longest:
            out.append((both, len(prompt)))
    return out


def batches(data: Sequence[Encoded], size: int, rng: random.Random) -> Iterator[tuple[Tensor, Tensor]]:
    """Token numbers and labels (-100 over the prompt), samples of like length together; endless."""
    while True:
        order = list(range(len(data)))
        rng.shuffle(order)
        for at in range(0, len(order) - size, size * 40):
            chunk = sorted(order[at : at + size * 40], key=lambda i: len(data[i][0]))
            groups = [chunk[i : i + size] for i in range(0, len(chunk), size)]
            rng.shuffle(groups)
            for g in groups:
                yield padded([data[i] for i in g])


def padded(group: Sequence[Encoded]) -> tuple[Tensor, Tensor]:
    longest = max(len(t) for t, _ in group)
    tokens, labels = torch.zeros(len(group), longest, dtype=torch.long), torch.full((len(group), longest), -100)
    for row, (t, start) in enumerate(group):
        tokens[row, : len(t)] = torch.tensor(t)
        labels[row, start - 1 : len(t) - 1] = torch.tensor(t[start:])
    return tokens, labels


@torch.no_grad()
def exactness(network: Network, data: Sequence[Encoded]) -> float:
    """The share of plans whose every token comes first when the tokens before it are given."""
    network.eval()
    right = 0
    for at in range(0, len(data), 128):
        tokens, labels = padded(data[at : at + 128])
        best = network(tokens).argmax(-1)
        right += int(((best == labels) | (labels == -100)).all(-1).sum())
    network.train()
    return right / max(len(data), 1)


def rate_at(share: float, top: float) -> float:
    """Warm up over the first 3 %, then down a cosine to a twentieth."""
    if share < 0.03:
        return top * (share / 0.03 + 1e-3)
    return top * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (share - 0.03) / 0.97)))


def validation(known: frozenset[str]) -> list[Sample]:
    """The held-out sentences as they stand."""
    worlds, out = load_worlds(), []
    for i, p in enumerate(bank()):
        if p.catalog in worlds and is_held_out(p, i):
            try:
                out.append(sample_of(p.text, p.plan, worlds[p.catalog], known, p.catalog))
            except (Unsayable, Exception):
                continue
    return out


def train(settings: Settings, folder: Path) -> Path:
    """Trains and writes planner.gguf, planner.vocab and planner.json to `folder`; returns the model's path."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    worlds, pairs = load_worlds(), bank()
    own = [p for i, p in enumerate(pairs) if not is_held_out(p, i)]
    seen = {n: w for n, w in worlds.items() if n not in HELD_OUT}
    vocabulary = (
        Vocabulary.load(Path(settings.start).with_suffix(".vocab")) if settings.start else build_vocabulary(own, seen)
    )
    vocabulary.save(folder / "planner.vocab")
    started = time.monotonic()
    found = list(samples(own, seen, vocabulary.known, settings.seed, settings.samples))
    print(f"{len(found):,} samples in {time.monotonic() - started:.0f} s; {len(vocabulary.tokens)} tokens", flush=True)
    shape = Shape(
        len(vocabulary.tokens),
        width=settings.width,
        layers=settings.layers,
        heads=settings.width // 64,
        inner=settings.width * 5 // 64 * 32,
    )
    data = encoded(found, vocabulary, shape.context)
    held = encoded(validation(vocabulary.known), vocabulary, shape.context)
    facts = {
        "settings": asdict(settings),
        "shape": asdict(shape),
        "samples": len(data),
        "pairs": len(own),
        "held_out": len(held),
        "catalogs": len(seen),
        "data": hashlib.sha256("\n".join(f"{s.prompt}\t{s.plan}" for s in found).encode()).hexdigest(),
    }
    network = Network(shape, settings.dropout)
    if settings.start:
        network.load_state_dict(torch.load(settings.start)["weights"])
    facts["parameters"] = sum(p.numel() for p in network.parameters())
    print(f"{facts['parameters']:,} parameters, {len(held)} held out", flush=True)
    return fit(network, data, held, vocabulary, settings, facts, folder)


def fit(
    network: Network,
    data: Sequence[Encoded],
    held: Sequence[Encoded],
    vocabulary: Vocabulary,
    settings: Settings,
    facts: dict[str, object],
    folder: Path,
) -> Path:
    inside = [p for p in network.blocks.parameters() if p.dim() > 1]
    rest = [p for p in network.parameters() if not any(p is q for q in inside)]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(inside, lr=settings.matrix_rate),
        torch.optim.AdamW(rest, lr=settings.rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    tops = (settings.matrix_rate, settings.rate)
    curve, started, tokens_seen, running = Curve(), time.monotonic(), 0, 0.0
    stream = batches(data, settings.batch, random.Random(settings.seed))
    step, share, last = 0, 0.0, time.monotonic()
    while share < 1:
        tokens, labels = next(stream)
        share = max(step / settings.steps, (time.monotonic() - started) / (60 * settings.minutes))
        for optimizer, top in zip(optimizers, tops, strict=True):
            optimizer.param_groups[0]["lr"] = rate_at(min(share, 1.0), top)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = network.hidden(tokens)[labels != -100]
            scores = F.linear(hidden, network.embedding.weight)
        loss = F.cross_entropy(scores.float(), labels[labels != -100], label_smoothing=0.02)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step, tokens_seen, running = (
            step + 1,
            tokens_seen + tokens.numel(),
            0.98 * running + 0.02 * float(loss.detach()),
        )
        if step % 200 == 0:
            curve.loss.append((step, round(running, 4)))
            print(
                f"step {step} loss {running:.3f} {tokens_seen / (time.monotonic() - started):,.0f} tokens/s", flush=True
            )
        if time.monotonic() - last > 180 or share >= 1:
            curve.exact.append((step, round(exactness(network, held), 4)))
            print(f"step {step} share {share:.2f} exact {curve.exact[-1][1]:.3f}", flush=True)
            save(
                network,
                vocabulary,
                {
                    **facts,
                    "steps": step,
                    "tokens": tokens_seen,
                    "minutes": round((time.monotonic() - started) / 60, 1),
                    "loss": curve.loss,
                    "exact": curve.exact,
                },
                folder,
            )
            last = time.monotonic()
    return folder / "planner.gguf"


def save(network: Network, vocabulary: Vocabulary, card: dict[str, object], folder: Path) -> None:
    """The model as it is now: checkpoint, GGUF and card."""
    torch.save({"shape": asdict(network.shape), "weights": network.state_dict()}, folder / "planner.pt")
    export(network, vocabulary, folder / "planner.gguf")
    card["model"] = hashlib.sha256((folder / "planner.gguf").read_bytes()).hexdigest()
    card["run"] = hashlib.sha256(json.dumps([card["settings"], card["data"]]).encode()).hexdigest()[:16]
    (folder / "planner.json").write_text(json.dumps(card, indent=1) + "\n")
