"""A planner's model of a few thousand random numbers: the shape of the real one, without its knowledge."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from intendant.model.pieces import FAMILY_LETTERS, ID_ROOM, Pieces
from intendant.planner.decoding import words_of_plans

SHAPE = {"width": 24, "layers": 1, "heads": 2, "inner": 32, "context": 512, "own_width": 16, "own_layers": 1,
         "own_heads": 2, "own_inner": 24, "longest": 48, "theta": 10_000.0}  # fmt: skip
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
]


def make_reader(folder: Path, seed: int = 1) -> Path:
    """reader.npz with reader.pieces and reader.json in a new folder."""
    folder.mkdir(parents=True)
    pieces = Pieces(WORDS, ["</s>", *words_of_plans()])
    pieces.save(folder / "reader.pieces")
    shape = {"pieces": len(pieces.pieces), "answers": len(pieces.answers), **SHAPE}
    rng = np.random.default_rng(seed)
    out = {name: rng.normal(0, 0.05, size).astype(np.float32) for name, size in sizes(shape).items()}
    matrices = [n for n, a in out.items() if a.ndim == 2]
    for n in matrices:
        scale = np.abs(out[n]).max(axis=1) / 127
        out[f"{n}:8"], out[f"{n}:scale"] = np.round(out.pop(n) / scale[:, None]).astype(np.int8), scale
    out["shape"] = np.frombuffer(json.dumps(shape).encode(), dtype=np.uint8)
    np.savez(folder / "reader.npz", **out)  # type: ignore[arg-type]
    (folder / "reader.json").write_text(json.dumps({"shape": shape, "parameters": 1}))
    return folder / "reader.npz"


def sizes(s: dict[str, float]) -> dict[str, tuple[int, ...]]:
    """Of every weight, as `Network` has them."""
    w, o, inner, own = int(s["width"]), int(s["own_width"]), int(s["inner"]), int(s["own_inner"])
    out: dict[str, tuple[int, ...]] = {
        "words.weight": (int(s["pieces"]), w), "places.weight": (int(s["context"]), w), "segments.weight": (2, w),
        "families.weight": (len(FAMILY_LETTERS), w), "numbers.weight": (ID_ROOM, w), "answers.weight": (int(s["answers"]), o),
        "norm.weight": (w,), "norm.bias": (w,), "last.weight": (o,),
    }  # fmt: skip
    linear = {"shrink": (o, w), "point": (o, o), "target": (o, w)}
    for i in range(int(s["layers"])):
        at = f"layers.{i}"
        linear |= {f"{at}.qkv": (3 * w, w), f"{at}.out": (w, w), f"{at}.up": (inner, w), f"{at}.down": (w, inner)}
        for norm in ("norm_attention", "norm_inner"):
            out |= {f"{at}.{norm}.weight": (w,), f"{at}.{norm}.bias": (w,)}
    for i in range(int(s["own_layers"])):
        at = f"blocks.{i}"
        linear |= {f"{at}.qkv": (3 * o, o), f"{at}.out": (o, o), f"{at}.ask": (o, o), f"{at}.offer": (2 * o, w),
                   f"{at}.took": (o, o), f"{at}.gate_up": (2 * own, o), f"{at}.down": (o, own)}  # fmt: skip
        out |= {f"{at}.{norm}.weight": (o,) for norm in ("norm_own", "norm_cross", "norm_inner")}
    for name, size in linear.items():
        out |= {f"{name}.weight": size, f"{name}.bias": size[:1]}
    return out
