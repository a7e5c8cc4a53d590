"""`python -m intendant.model.training.average FIRST.pt SECOND.pt --out DIR`: the mean of two checkpoints of one lineage.

Runs that go on from one another end in different corners of one valley; what lies between them reads better than either.
Each checkpoint lies beside its `.pieces`; words of plans that only the second one knows keep its weights. The card is the
second one's, with both files' hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from intendant.model.pieces import Pieces
from intendant.model.training.network import Network, Shape
from intendant.model.training.train import resumed, save

__all__ = ["average"]


def average(first: Path, second: Path, folder: Path, share: float = 0.5) -> Path:
    """Writes reader.npz, .pt, .pieces and .json to `folder`; `share` is the weight of the second checkpoint."""
    pieces = Pieces.load(second.with_suffix(".pieces"))
    card = json.loads(second.with_suffix(".json").read_text(encoding="utf-8"))
    network = Network(Shape(**card["shape"]), 0.0)
    network.load_state_dict(resumed(network, second, pieces))
    later = {n: w.clone() for n, w in network.state_dict().items()}
    earlier = resumed(network, first, pieces)
    network.load_state_dict(
        {n: share * w + (1 - share) * earlier[n] if w.is_floating_point() else w for n, w in later.items()}
    )
    folder.mkdir(parents=True, exist_ok=True)
    pieces.save(folder / "reader.pieces")
    hashes = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (first, second)]
    save(network, {**card, "averaged": {"checkpoints": hashes, "share": share}}, folder)
    return folder / "reader.npz"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m intendant.model.training.average", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5)
    a = parser.parse_args()
    print(average(a.first, a.second, a.out, a.share))
