"""The reader's weights as they are multiplied: unpacked, turned, constants worked in, and the decoder's matrices in parts.

A decoder's step has few rows. Matrix libraries copy a matrix into their own order before they multiply, which costs more than
the product itself there, but leave small matrices as they are: so large ones lie in parts of `PART` columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from intendant.model.arithmetic import Array

__all__ = ["laid_out", "unpacked"]

PART = 256


def unpacked(data: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Array]:
    """The weights of a file in float32."""
    out = {n: np.asarray(a, np.float32) for n, a in data.items() if ":" not in n}
    for n in [n for n in data if n.endswith(":8")]:
        out[n[:-2]] = data[n].astype(np.float32)
        out[n[:-2]] *= np.asarray(data[f"{n[:-2]}:scale"], np.float32)[:, None]
    return out


def laid_out(w: dict[str, Array], shape: Mapping[str, float]) -> dict[str, Array]:
    """The weights [out, in] as [in, out] or in parts; the scales of attention and of norms are worked in.

    `answers.in` [answers + ids, own width] is what each answer number enters as, `answers.out` what a word is told by.
    """
    own, words = int(shape["own_width"]), w["answers.weight"]
    for n in [n for n in w if w[n].ndim == 2 and f"{n.removesuffix('weight')}bias" in w]:
        w[n] = np.ascontiguousarray(w[n].T)
    ids = (w["families.weight"][:, None] + w["numbers.weight"]).reshape(-1, w["numbers.weight"].shape[1])
    w["answers.in"] = np.concatenate((words, ids @ w.pop("shrink.weight") + w.pop("shrink.bias")))
    last = w.pop("last.weight")[:, None]
    w["answers.out"] = last * w.pop("answers.weight").T
    w["point.weight"] *= last
    for part in ("weight", "bias"):
        w[f"target.{part}"] /= math.sqrt(own)
    for i in range(int(shape["layers"])):
        width = int(shape["width"])
        for part in ("weight", "bias"):
            w[f"layers.{i}.qkv.{part}"][..., :width] /= math.sqrt(width // int(shape["heads"]))
    for i in range(int(shape["own_layers"])):
        decoder_block(w, f"blocks.{i}", own, int(shape["own_heads"]))
    return w


def decoder_block(w: dict[str, Array], at: str, own: int, heads: int) -> None:
    for linear, norm in (("qkv", "norm_own"), ("ask", "norm_cross"), ("gate_up", "norm_inner")):
        w[f"{at}.{linear}.weight"] *= w.pop(f"{at}.{norm}.weight")[:, None]
    for part in ("weight", "bias"):
        w[f"{at}.qkv.{part}"][..., :own] /= math.sqrt(own // heads)
        w[f"{at}.ask.{part}"] /= math.sqrt(own // heads)
    inner = len(w[f"{at}.down.weight"])
    halves = inner // PART if inner % PART == 0 else 1
    for name, parts in (("qkv", 3), ("offer", 2), ("gate_up", 2 * halves)):
        weight, bias = w[f"{at}.{name}.weight"], w[f"{at}.{name}.bias"]
        w[f"{at}.{name}.weight"] = np.ascontiguousarray(weight.reshape(len(weight), parts, -1).transpose(1, 0, 2))
        w[f"{at}.{name}.bias"] = bias.reshape(parts, 1, -1)
    w[f"{at}.down.weight"] = w[f"{at}.down.weight"].reshape(halves, inner // halves, own)
