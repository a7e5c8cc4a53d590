"""The reader's network in NumPy: what a prompt says, and word by word how likely each next word or id of a plan is.

The same arithmetic as `model/training/network.py` (a test holds them together), without PyTorch: matrices are kept in 8 bits
with a scale per row and unpacked when the model is loaded, laid out as they are multiplied (`model/layout.py`).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intendant.errors import ModelError
from intendant.model.arithmetic import Array, attended, gelu, layer_norm, rms, silu
from intendant.model.layout import laid_out, unpacked
from intendant.model.pieces import FAMILY_LETTERS, ID_ROOM, Pieces

__all__ = ["READER", "Reader", "State", "reader"]

READER = Path(__file__).with_name("reader.npz")
Numbers = npt.NDArray[np.int64]
NEVER = -1e4
"""The log-probability of an id that isn't in the prompt."""
MORE = 16
"""Words for which room is made at a time."""


@dataclass
class State:
    """What a decoder holds of one prompt, and of the answers so far.

    `offered`: per layer the prompt's keys [heads, width of a head, length] and values [heads, length, width of a head].
    `out` [own width, words of plans + places of ids] with `bias`: from a decoder's vector to words and places.
    `ids`: the answer number of each id of the prompt; `begins`: where its places begin among the places.
    `own` [layers, keys and values, beams, room for words, own width]: of the answers so far, `time` words of them.
    """

    offered: list[tuple[Array, Array]]
    out: Array
    bias: Array
    ids: Numbers
    begins: Numbers
    own: Array
    time: int = 0

    def fresh(self) -> State:
        """Another one of the same prompt, to write an answer of its own in."""
        return replace(self, own=self.own.copy())

    def kept(self, beams: Numbers) -> State:
        """The state of these beams, in this order."""
        if np.array_equal(beams, np.arange(self.own.shape[2])):
            return self
        return replace(self, own=np.take(self.own, beams, axis=2))


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
        self.w: dict[str, Array] = laid_out(unpacked(data), self.shape)
        s = self.shape
        self.answer_numbers = self.pieces.answer_numbers | {
            f"{letter}{n}": self.pieces.id_number(letter, n) for letter in FAMILY_LETTERS for n in range(ID_ROOM)
        }
        """The number of every word and id that an answer can hold."""
        self.heads, self.own_heads, self.answers = int(s["heads"]), int(s["own_heads"]), int(s["answers"])
        half = int(s["own_width"]) // self.own_heads // 2
        angles = np.outer(np.arange(int(s["longest"])), s["theta"] ** (-np.arange(half) / half))
        # Rotary positions, [time, 1, 2, half]: halves side by side, the other half times the second of these.
        self.cos = np.stack((np.cos(angles),) * 2, axis=1).astype(np.float32)[:, None]
        self.sin = np.stack((-np.sin(angles), np.sin(angles)), axis=1).astype(np.float32)[:, None]

    # -- the prompt
    def read(self, prompt: list[int], segments: list[int]) -> State:
        """The state before the first word of an answer."""
        memory = self.encoded(np.array(prompt), np.array(segments))
        offered = []
        for i in range(int(self.shape["own_layers"])):
            k, v = self.linear(f"blocks.{i}.offer", memory)
            offered.append((self.by_head(k).swapaxes(1, 2), self.by_head(v)))
        id_at = np.array(prompt) - int(self.shape["pieces"])
        order = np.argsort(id_at, kind="stable")
        order = order[id_at[order] >= 0]
        begins = np.flatnonzero(np.diff(id_at[order], prepend=-1))
        targets = self.linear("target", memory[order]).T
        out = np.concatenate((self.w["answers.out"], self.w["point.weight"] @ targets), axis=1)
        bias = np.concatenate((np.zeros(self.answers, np.float32), self.w["point.bias"] @ targets))
        layers, width = int(self.shape["own_layers"]), int(self.shape["own_width"])
        own = np.zeros((layers, 2, 1, MORE, width), np.float32)
        return State(offered, out, bias, self.answers + id_at[order[begins]], begins, own)

    def by_head(self, x: Array) -> Array:
        """[length, width] to [heads, length, width of a head]."""
        return np.ascontiguousarray(x.reshape(len(x), self.own_heads, -1).transpose(1, 0, 2))

    def encoded(self, prompt: Numbers, segments: Numbers) -> Array:
        """The prompt's vectors [length, width]."""
        x = self.embedded(prompt) + self.w["places.weight"][: len(prompt)] + self.w["segments.weight"][segments]
        layer_norm(x, self.w["norm.weight"], self.w["norm.bias"])
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
        at = prompt[is_id] - int(self.shape["pieces"])
        out[is_id] = self.w["families.weight"][at // ID_ROOM] + self.w["numbers.weight"][at % ID_ROOM]
        return out

    def layer(self, at: str, x: Array) -> Array:
        n, w = x.shape
        q, k, v = self.linear(f"{at}.qkv", x).reshape(n, 3, self.heads, -1).transpose(1, 2, 0, 3)
        mixed = attended(q, k.swapaxes(1, 2), v).transpose(1, 0, 2).reshape(n, w)
        mixed = self.linear(f"{at}.out", mixed)
        mixed += x
        x = layer_norm(mixed, self.w[f"{at}.norm_attention.weight"], self.w[f"{at}.norm_attention.bias"])
        inner = self.linear(f"{at}.down", gelu(self.linear(f"{at}.up", x)))
        inner += x
        return layer_norm(inner, self.w[f"{at}.norm_inner.weight"], self.w[f"{at}.norm_inner.bias"])

    # -- the answer
    def step(self, state: State, before: Numbers) -> Array:
        """Log-probabilities [beams, answers + ids] of what follows `before`, one number per beam; `state` goes on."""
        return self.steps(state, before[:, None])[:, 0]

    def scored(self, state: State, answers: Sequence[Sequence[int]]) -> list[float]:
        """The log-probability of each answer, END among its numbers; `state` is one before the first word."""
        longest = max(map(len, answers))
        after = np.array([[*a, *[self.pieces.end] * (longest - len(a))] for a in answers])
        before = np.concatenate((np.full((len(answers), 1), self.pieces.end), after[:, :-1]), axis=1)
        logs = self.steps(state.kept(np.zeros(len(answers), np.int64)), before)
        said = np.take_along_axis(logs, after[:, :, None], axis=2)[:, :, 0]
        return [float(row[: len(a)].sum()) for row, a in zip(said, answers, strict=True)]

    def steps(self, state: State, before: Numbers) -> Array:
        """Log-probabilities [beams, times, answers + ids] of what follows each of `before` [beams, times]; `state` goes on."""
        b, t = before.shape
        x = self.w["answers.in"][before.reshape(-1)]
        self.make_room(state, t)
        for i in range(int(self.shape["own_layers"])):
            x = self.block(i, x, state, b)
        state.time += t
        return self.told(rms(x), state).reshape(b, t, -1)

    def make_room(self, state: State, more: int) -> None:
        room = state.own.shape[3]
        if state.time + more > room:
            wider = [(0, 0)] * 3 + [(0, more + MORE), (0, 0)]
            state.own = np.pad(state.own, wider)

    def told(self, x: Array, state: State) -> Array:
        """Vectors [rows, own width] to log-probabilities [rows, answers + every id there can be]; places of an id add up."""
        count = self.answers
        scores = x @ state.out
        scores += state.bias
        scores -= scores.max(axis=-1, keepdims=True)
        shares = np.exp(scores)
        total = np.log(shares.sum(axis=-1, keepdims=True))
        out = np.full((len(x), len(self.w["answers.in"])), NEVER, np.float32)
        out[:, :count] = scores[:, :count] - total
        if len(state.ids):
            sums = np.add.reduceat(shares[:, count:], state.begins, axis=1)
            out[:, state.ids] = np.log(np.maximum(sums, 1e-30)) - total
        return out

    def block(self, i: int, x: Array, state: State, b: int) -> Array:
        """One layer over `x` [beams * times, own width], its keys and values put into `state`."""
        at, h, rows, w = f"blocks.{i}", self.own_heads, *x.shape
        t, begin = rows // b, state.time
        end = begin + t
        qkv = self.linear(f"{at}.qkv", rms(x)).reshape(3, b, t, h, 2, -1)
        qk = qkv[:2]
        turned = qk * self.cos[begin:end]
        turned += qk[..., ::-1, :] * self.sin[begin:end]
        state.own[i, 0, :, begin:end] = turned[1].reshape(b, t, w)
        state.own[i, 1, :, begin:end] = qkv[2].reshape(b, t, w)
        keys, values = state.own[i, :, :, :end].reshape(2, b, end, h, w // h)
        future = np.triu(np.full((t, end), -np.inf, np.float32), begin + 1) if t > 1 else None
        q = turned[0].reshape(b, t, h, w // h).transpose(0, 2, 1, 3)
        own = attended(q, keys.transpose(0, 2, 3, 1), values.transpose(0, 2, 1, 3), future)
        x = x + self.linear(f"{at}.out", own.transpose(0, 2, 1, 3).reshape(rows, w))
        q = self.linear(f"{at}.ask", rms(x)).reshape(rows, h, -1).transpose(1, 0, 2)
        x += self.linear(f"{at}.took", attended(q, *state.offered[i]).transpose(1, 0, 2).reshape(rows, w))
        both = self.linear(f"{at}.gate_up", rms(x))
        parts = len(both) // 2
        x += (silu(both[:parts], both[parts:]) @ self.w[f"{at}.down.weight"]).sum(axis=0)
        x += self.w[f"{at}.down.bias"]
        return x

    def linear(self, at: str, x: Array) -> Array:
        """[rows, in] to [rows, out], or to [parts, rows, out of a part] where the matrix lies in parts."""
        out: Array = x @ self.w[f"{at}.weight"]
        out += self.w[f"{at}.bias"]
        return out


@functools.lru_cache(maxsize=2)
def reader(path: Path = READER) -> Reader:
    """The model of a file, loaded once per process. Raises ModelError."""
    return Reader(path)
