"""The reader's network in NumPy: what a prompt says, and word by word how likely each next word or id of a plan is.

The same arithmetic as `model/training/network.py` (a test holds them together), without PyTorch: matrices are kept in 8 bits
with a scale per row and unpacked when the model is loaded.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intendant.errors import ModelError
from intendant.model.pieces import ID_ROOM, Pieces

__all__ = ["READER", "Reader", "State", "reader"]

READER = Path(__file__).with_name("reader.npz")
Array = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass
class State:
    """What a decoder holds of one prompt: keys and values of the prompt [layers], places of ids, and what is written.

    `own` are keys and values of the answers so far: per layer two arrays [beams, heads, time, width of a head].
    """

    offered: list[tuple[Array, Array]]
    targets: Array
    id_at: Numbers
    own: list[tuple[Array, Array]]
    order: Numbers
    """Places where an id stands, those of the same id together."""
    begins: Numbers
    """Where in `order` each id's places begin."""
    time: int = 0

    def kept(self, beams: Numbers) -> State:
        """The state of these beams, in this order."""
        return replace(self, own=[(k[beams], v[beams]) for k, v in self.own])


class Reader:
    """A trained network with its pieces. Not thread-safe only in that threads share the cores."""

    def __init__(self, path: Path) -> None:
        try:
            self.pieces = Pieces.load(path.with_suffix(".pieces"))
            with np.load(path) as found:
                data = {n: found[n] for n in found.files}
            self.shape: dict[str, float] = json.loads(data.pop("shape").tobytes())
        except (OSError, ValueError, KeyError) as e:
            hint = "Train it: `make train`, or install the package again."
            raise ModelError(
                f"the planner's model {path.name!r} can't be read: {e}", where=str(path), hint=hint
            ) from None
        self.words, self.word_scale = data.pop("words.weight:8", None), data.pop("words.weight:scale", None)
        if self.words is None:
            self.words = data.pop("words.weight")
        self.w: dict[str, Array] = {n: a for n, a in data.items() if ":" not in n}
        for n in [n for n in data if n.endswith(":8")]:
            self.w[n[:-2]] = data[n].astype(np.float32) * data[f"{n[:-2]}:scale"][:, None]
        # Laid out for `x @ w`: with few rows that is twice as fast as through a transposed view.
        for n in [n for n in self.w if self.w[n].ndim == 2 and f"{n.removesuffix('weight')}bias" in self.w]:
            self.w[n] = np.ascontiguousarray(self.w[n].T)
        self.w["answers.out"] = np.ascontiguousarray(self.w["answers.weight"].T)
        s = self.shape
        self.heads, self.own_heads = int(s["heads"]), int(s["own_heads"])
        half = int(s["own_width"]) // self.own_heads // 2
        angles = np.outer(np.arange(int(s["longest"])), s["theta"] ** (-np.arange(half) / half))
        self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    # -- the prompt
    def read(self, prompt: list[int], segments: list[int]) -> State:
        """The state before the first word of an answer."""
        memory = self.encoded(np.array(prompt), np.array(segments))
        id_at = np.array(prompt) - int(self.shape["pieces"])
        offered = []
        for i in range(int(self.shape["own_layers"])):
            both = self.linear(f"blocks.{i}.offer", memory)
            k, v = np.split(both, 2, axis=-1)
            offered.append((self.by_head(k), self.by_head(v)))
        head = int(self.shape["own_width"]) // self.own_heads
        empty = np.zeros((1, self.own_heads, 0, head), np.float32)
        targets = self.linear("target", memory) / math.sqrt(self.shape["own_width"])
        order = np.argsort(id_at, kind="stable")
        order = order[id_at[order] >= 0]
        begins = np.flatnonzero(np.diff(id_at[order], prepend=-1))
        return State(offered, targets, id_at, [(empty, empty) for _ in offered], order, begins)

    def by_head(self, x: Array) -> Array:
        """[length, width] to [heads, length, width of a head]."""
        return np.ascontiguousarray(x.reshape(len(x), self.own_heads, -1).transpose(1, 0, 2))

    def encoded(self, prompt: Numbers, segments: Numbers) -> Array:
        x = self.embedded(prompt) + self.w["places.weight"][: len(prompt)] + self.w["segments.weight"][segments]
        x = self.layer_norm("norm", x)
        for i in range(int(self.shape["layers"])):
            x = self.layer(f"layers.{i}", x)
        return x

    def embedded(self, prompt: Numbers) -> Array:
        out = np.empty((len(prompt), int(self.shape["width"])), np.float32)
        is_id = prompt >= int(self.shape["pieces"])
        plain = prompt[~is_id]
        assert self.words is not None
        rows = self.words[plain].astype(np.float32)
        out[~is_id] = rows if self.word_scale is None else rows * self.word_scale[plain][:, None]
        out[is_id] = self.id_vectors(prompt[is_id] - int(self.shape["pieces"]))
        return out

    def id_vectors(self, at: Numbers) -> Array:
        out: Array = self.w["families.weight"][at // ID_ROOM] + self.w["numbers.weight"][at % ID_ROOM]
        return out

    def layer(self, at: str, x: Array) -> Array:
        n, w = x.shape
        qkv = self.linear(f"{at}.qkv", x).reshape(n, 3, self.heads, w // self.heads)
        q, k, v = (qkv[:, j].transpose(1, 0, 2) for j in range(3))
        mixed = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(w // self.heads)) @ v
        x = self.layer_norm(
            f"{at}.norm_attention", x + self.linear(f"{at}.out", mixed.transpose(1, 0, 2).reshape(n, w))
        )
        return self.layer_norm(f"{at}.norm_inner", x + self.linear(f"{at}.down", gelu(self.linear(f"{at}.up", x))))

    # -- the answer
    def step(self, state: State, before: Numbers) -> Array:
        """Log-probabilities [beams, answers + ids] of what follows `before`, one number per beam; `state` goes on."""
        s = self.shape
        count = int(s["answers"])
        x = np.where(
            (before >= count)[:, None],
            self.linear("shrink", self.id_vectors(np.maximum(before - count, 0))),
            self.w["answers.weight"][np.minimum(before, count - 1)],
        )
        cos, sin = self.cos[state.time], self.sin[state.time]
        for i in range(int(s["own_layers"])):
            x = self.block(i, x, state, cos, sin)
        state.time += 1
        x = rms(x, self.w["last.weight"])
        words = x @ self.w["answers.out"]
        places = self.linear("point", x) @ state.targets.T
        places[:, state.id_at < 0] = -1e4
        logs = log_softmax(np.concatenate((words, places), axis=1))
        return self.gathered(logs, state, count)

    def gathered(self, logs: Array, state: State, count: int) -> Array:
        """Places of the same id added up: [beams, answers + every id there can be]."""
        out = np.full((len(logs), count + len(self.w["families.weight"]) * ID_ROOM), -1e4, np.float32)
        out[:, :count] = logs[:, :count]
        if len(state.order):
            sums = np.add.reduceat(np.exp(logs[:, count + state.order]), state.begins, axis=1)
            out[:, count + state.id_at[state.order[state.begins]]] = np.log(np.maximum(sums, 1e-30))
        return out

    def block(self, i: int, x: Array, state: State, cos: Array, sin: Array) -> Array:
        at, b, h = f"blocks.{i}", len(x), self.own_heads
        qkv = self.linear(f"{at}.qkv", rms(x, self.w[f"{at}.norm_own.weight"])).reshape(b, 3, h, 1, -1)
        q, k, v = turned(qkv[:, 0], cos, sin), turned(qkv[:, 1], cos, sin), qkv[:, 2]
        keys = np.concatenate((np.broadcast_to(state.own[i][0], (b, *state.own[i][0].shape[1:])), k), axis=2)
        values = np.concatenate((np.broadcast_to(state.own[i][1], (b, *state.own[i][1].shape[1:])), v), axis=2)
        state.own[i] = (keys, values)
        head = q.shape[-1]
        own = softmax(q @ keys.transpose(0, 1, 3, 2) / math.sqrt(head)) @ values
        x = x + self.linear(f"{at}.out", own.reshape(b, -1))
        q = self.linear(f"{at}.ask", rms(x, self.w[f"{at}.norm_cross.weight"])).reshape(b, h, head).transpose(1, 0, 2)
        k, v = state.offered[i]
        seen = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(head)) @ v
        x = x + self.linear(f"{at}.took", seen.transpose(1, 0, 2).reshape(b, -1))
        gate, up = np.split(self.linear(f"{at}.gate_up", rms(x, self.w[f"{at}.norm_inner.weight"])), 2, axis=-1)
        out: Array = x + self.linear(f"{at}.down", gate / (1 + np.exp(-gate)) * up)
        return out

    def linear(self, at: str, x: Array) -> Array:
        out: Array = x @ self.w[f"{at}.weight"]
        out += self.w[f"{at}.bias"]
        return out

    def layer_norm(self, at: str, x: Array) -> Array:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-12)
        out: Array = x * self.w[f"{at}.weight"] + self.w[f"{at}.bias"]
        return out


def rms(x: Array, weight: Array) -> Array:
    out: Array = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6) * weight
    return out


def softmax(x: Array) -> Array:
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    x /= x.sum(axis=-1, keepdims=True)
    return x


def log_softmax(x: Array) -> Array:
    x = x - x.max(axis=-1, keepdims=True)
    out: Array = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return out


def turned(x: Array, cos: Array, sin: Array) -> Array:
    a, b = np.split(x, 2, axis=-1)
    return np.concatenate((a * cos - b * sin, b * cos + a * sin), axis=-1)


def gelu(x: Array) -> Array:
    """x times the normal distribution's share below x; the error function by Abramowitz and Stegun 7.1.26 (1.5e-7)."""
    z = np.abs(x) * np.float32(1 / math.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = 1 - tail.astype(np.float32) * np.exp(-z * z)
    out: Array = x * np.float32(0.5) * (1 + np.sign(x) * erf)
    return out


@functools.lru_cache(maxsize=2)
def reader(path: Path = READER) -> Reader:
    """The model of a file, loaded once per process. Raises ModelError."""
    return Reader(path)
