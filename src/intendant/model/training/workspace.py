"""Goes on training a reader with a workspace's own examples among the sentences of the bank."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from intendant.catalog import Catalog
from intendant.errors import ModelError
from intendant.model.pieces import Pieces
from intendant.model.training.catalogs import World, load_worlds
from intendant.model.training.generate import HELD_OUT, Pair, bank, is_held_out, samples
from intendant.model.training.network import Network, Shape
from intendant.model.training.train import Settings, data_hash, feed, fit, held_out

__all__ = ["SHARE", "started", "tune"]

SHARE = 0.1
"""Of the hand-written sentences that are drawn, those of the workspace."""
MOST_OFTEN = 200
"""Times that one example stands among the bank's sentences at most."""
Values = Mapping[tuple[str, str], Sequence[str]]


def mixed(pairs: Sequence[Pair], own: Sequence[Pair]) -> list[Pair]:
    """The bank's pairs with each own one so often that these are SHARE of all."""
    times = round(SHARE / (1 - SHARE) * len(pairs) / len(own)) if own else 0
    return [*pairs, *(p for p in own for _ in range(max(1, min(times, MOST_OFTEN))))]


def produce(
    queue: multiprocessing.Queue[object],
    seed: int,
    pieces: Pieces,
    longest: int,
    own: Sequence[Pair],
    catalog: Catalog,
    values: Values,
) -> None:
    """Fills the queue for ever; runs in a process of its own."""
    worlds = {n: w for n, w in load_worlds().items() if n not in HELD_OUT}
    worlds |= {p.catalog: World(p.catalog, catalog, values) for p in own[:1]}
    pairs = mixed([p for i, p in enumerate(bank()) if not is_held_out(p, i)], own)
    feed(queue, samples(pairs, worlds, seed), pieces, longest)


def started(start: Path, dropout: float) -> tuple[Network, Pieces]:
    """The network of a checkpoint (.pt) or of a model's file (.npz), with the pieces beside it. Raises ModelError."""
    try:
        pieces = Pieces.load(start.with_suffix(".pieces"))
        if start.suffix == ".npz":
            shape, weights = unpacked(start)
        else:
            shape = json.loads(start.with_suffix(".json").read_text(encoding="utf-8"))["shape"]
            weights = torch.load(start)["weights"]
        network = Network(Shape(**shape), dropout)
        missing, unknown = network.load_state_dict(weights, strict=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as e:
        hint = "Name another with --start: a .pt or .npz file with its .pieces and .json beside it."
        raise ModelError(f"training can't go on from {start.name!r}: {e}", where=str(start), hint=hint) from None
    lost = [m for m in missing if not m.startswith("used.")]
    if lost or unknown:
        raise ModelError(
            f"{start.name!r} is of another network: {', '.join([*lost, *unknown][:4])}",
            where=str(start),
            hint="Name one that this version has trained.",
        )
    return network, pieces


def unpacked(file: Path) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    """Shape and 32-bit weights of a model's file."""
    with np.load(file) as found:
        data = {n: found[n] for n in found.files}
    shape: dict[str, int] = json.loads(data.pop("shape").tobytes())
    weights = {n: a for n, a in data.items() if ":" not in n}
    weights |= {
        n[:-2]: a.astype(np.float32) * data[f"{n[:-2]}:scale"][:, None] for n, a in data.items() if n.endswith(":8")
    }
    return shape, {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in weights.items()}


def tune(settings: Settings, folder: Path, own: Sequence[Pair], catalog: Catalog, values: Values) -> Path:
    """Trains on from `settings.start` and writes reader.npz, .pieces, .json and .pt to `folder`; the model's path.

    Raises ModelError.
    """
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    network, pieces = started(Path(settings.start), settings.dropout)
    pieces.save(folder / "reader.pieces")
    network.words.weight.requires_grad = False
    held = held_out(pieces, network.shape.longest)
    facts: dict[str, object] = {
        "settings": asdict(settings),
        "shape": asdict(network.shape),
        "parameters": sum(p.numel() for p in network.parameters()),
        "pairs": sum(not is_held_out(p, i) for i, p in enumerate(bank())),
        "own_pairs": len(own),
        "held_out": len(held),
        "data": data_hash(),
    }
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[object] = context.Queue(settings.batch * 64)
    given = (queue, settings.seed, pieces, network.shape.longest, tuple(own), catalog, dict(values))
    worker = context.Process(target=produce, args=given, daemon=True)
    worker.start()
    try:
        return fit(network, queue, held, pieces, settings, facts, folder)
    finally:
        worker.kill()
