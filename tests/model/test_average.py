"""The mean of two checkpoints: each weight lies between both, and words that only the later one knows keep theirs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from intendant.model.pieces import Pieces
from intendant.model.reader import READER, Reader

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch", reason="needs the extra `train`")


def checkpoint(folder: Path, answers: list[str], value: float) -> Path:
    """A small network of which every weight is `value`, as a training run leaves it."""
    from intendant.model.training.network import Network, Shape
    from intendant.model.training.train import save

    known = Pieces.load(READER.with_suffix(".pieces"))
    pieces = Pieces(known.pieces, answers)
    shape = Shape(len(pieces.pieces), len(answers), width=48, layers=1, heads=4, inner=64, own_width=32, own_inner=32)
    network = Network(shape)
    with torch.no_grad():
        for p in network.parameters():
            p.fill_(value)
    folder.mkdir()
    pieces.save(folder / "reader.pieces")
    save(network, {"settings": {}, "data": "d", "shape": asdict(shape)}, folder)
    return folder / "reader.pt"


def test_the_mean_lies_between_and_new_words_keep_their_weights(tmp_path: Path) -> None:
    from intendant.model.training.average import average

    words = Pieces.load(READER.with_suffix(".pieces")).answers
    first = checkpoint(tmp_path / "a", [w for w in words if w != "transpose"], 1.0)
    second = checkpoint(tmp_path / "b", list(words), 3.0)
    made = average(first, second, tmp_path / "c", share=0.25)
    weights = torch.load(tmp_path / "c" / "reader.pt")["weights"]
    assert torch.all(weights["point.weight"] == 1.5)
    rows = weights["answers.weight"]
    assert torch.all(rows[words.index("query")] == 1.5) and torch.all(rows[words.index("transpose")] == 3.0)
    card = json.loads((tmp_path / "c" / "reader.json").read_text())
    assert card["averaged"]["share"] == 0.25 and len(set(card["averaged"]["checkpoints"])) == 2
    model = Reader(made)
    state = model.read(*model.pieces.prompt(["orders", "T1"]))
    assert np.isfinite(model.step(state, np.array([model.pieces.end]))).all()
