"""The reader's network: a pretrained sentence encoder, and a small decoder that writes words or points at ids.

The encoder has BERT's shape and starts from all-MiniLM-L6-v2; ids enter as the sum of a family's and a number's vector, so
that a number says nothing but "the same as there". The decoder writes a word of the language, or points at a place of the
prompt where an id stands; the probability of an id is the sum over its places.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from intendant.model.pieces import FAMILY_LETTERS, ID_ROOM

__all__ = ["Network", "Shape", "start_from"]


@dataclass(frozen=True)
class Shape:
    """Sizes: `pieces` and `answers` count the words on each side, without ids."""

    pieces: int
    answers: int
    width: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536
    context: int = 512
    own_width: int = 256
    own_layers: int = 3
    own_heads: int = 4
    own_inner: int = 768
    longest: int = 128
    theta: float = 10_000.0


class Layer(nn.Module):
    """BERT's layer: attention over everything, then a feed-forward; each adds and is normed after."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.heads = s.heads
        self.qkv, self.out = nn.Linear(s.width, 3 * s.width), nn.Linear(s.width, s.width)
        self.up, self.down = nn.Linear(s.width, s.inner), nn.Linear(s.inner, s.width)
        self.norm_attention, self.norm_inner = nn.LayerNorm(s.width, eps=1e-12), nn.LayerNorm(s.width, eps=1e-12)

    def forward(self, x: Tensor, mask: Tensor, dropout: float) -> Tensor:
        b, n, w = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        mixed = attended(q, k, v, mask)
        mixed = self.out(mixed.transpose(1, 2).reshape(b, n, w))
        x = self.norm_attention(x + dropped(mixed, dropout, self.training))
        inner = self.down(F.gelu(self.up(x)))
        return self.norm_inner(x + dropped(inner, dropout, self.training))


def attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention [batch, heads, length, width of a head] where `mask` is True, as plain matrix products.

    PyTorch's fused attention for CPUs is slower than these products in bfloat16 (bench/planner.md).
    """
    scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    return torch.softmax(scores.masked_fill(~mask, -1e4), -1).to(v.dtype) @ v


NOISE = 1 << 22
"""Numbers drawn once, of which every dropout takes a stretch: drawing them anew takes a tenth of a training step."""


@functools.lru_cache(maxsize=4)
def noise(rate: float) -> Tensor:
    """Twice `NOISE` factors: 0 with probability `rate`, else 1 / (1 - rate)."""
    drawn = torch.rand(NOISE) >= rate
    return (drawn.to(torch.bfloat16) / (1 - rate)).repeat(2)


def dropped(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout of a share `rate` of `x`, while training."""
    if not training or rate <= 0:
        return x
    at, n = int(torch.randint(NOISE, ())), x.numel()
    factors = noise(rate)
    if n > NOISE:
        factors = factors.repeat(-(-n // NOISE))
    return x * factors[at : at + n].view_as(x)


class Block(nn.Module):
    """The decoder's layer: attention over what is written, over the prompt, then a gated feed-forward; normed before."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        w = s.own_width
        self.heads = s.own_heads
        self.norm_own, self.norm_cross, self.norm_inner = (nn.RMSNorm(w, eps=1e-6) for _ in range(3))
        self.qkv, self.out = nn.Linear(w, 3 * w), nn.Linear(w, w)
        self.ask, self.offer, self.took = nn.Linear(w, w), nn.Linear(s.width, 2 * w), nn.Linear(w, w)
        self.gate_up, self.down = nn.Linear(w, 2 * s.own_inner), nn.Linear(s.own_inner, w)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor, cos: Tensor, sin: Tensor, dropout: float) -> Tensor:
        b, t, w = x.shape
        h = self.heads
        q, k, v = self.qkv(self.norm_own(x)).view(b, t, 3, h, w // h).permute(2, 0, 3, 1, 4)
        past = torch.ones(t, t, dtype=torch.bool).tril()
        own = attended(turned(q, cos, sin), turned(k, cos, sin), v, past)
        x = x + dropped(self.out(own.transpose(1, 2).reshape(b, t, w)), dropout, self.training)
        q = self.ask(self.norm_cross(x)).view(b, t, h, w // h).transpose(1, 2)
        k, v = self.offer(memory).view(b, -1, 2, h, w // h).permute(2, 0, 3, 1, 4)
        seen = attended(q, k, v, mask)
        x = x + dropped(self.took(seen.transpose(1, 2).reshape(b, t, w)), dropout, self.training)
        gate, up = self.gate_up(self.norm_inner(x)).chunk(2, -1)
        return x + dropped(self.down(F.silu(gate) * up), dropout, self.training)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, halves side by side."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Network(nn.Module):
    """Prompt and answer numbers (as `Pieces` gives them) to log-probabilities."""

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        s = shape
        self.words = nn.Embedding(s.pieces, s.width)
        self.places, self.segments = nn.Embedding(s.context, s.width), nn.Embedding(2, s.width)
        self.families, self.numbers = nn.Embedding(len(FAMILY_LETTERS), s.width), nn.Embedding(ID_ROOM, s.width)
        self.norm = nn.LayerNorm(s.width, eps=1e-12)
        self.layers = nn.ModuleList([Layer(s) for _ in range(s.layers)])
        self.answers = nn.Embedding(s.answers, s.own_width)
        self.shrink = nn.Linear(s.width, s.own_width)
        self.blocks = nn.ModuleList([Block(s) for _ in range(s.own_layers)])
        self.last = nn.RMSNorm(s.own_width, eps=1e-6)
        self.point, self.target = nn.Linear(s.own_width, s.own_width), nn.Linear(s.width, s.own_width)
        self.used = nn.Linear(s.width, 1)
        half = s.own_width // s.own_heads // 2
        angles = torch.outer(torch.arange(s.longest).float(), s.theta ** (-torch.arange(half).float() / half))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for p in (self.families.weight, self.numbers.weight):
            nn.init.normal_(p, std=0.05)
        nn.init.normal_(self.answers.weight, std=0.05)

    def embedded(self, prompt: Tensor, segments: Tensor) -> Tensor:
        id_at = prompt - self.shape.pieces
        is_id = (id_at >= 0).unsqueeze(-1)
        ids = self.id_vectors(id_at.clamp(min=0))
        x = torch.where(is_id, ids, self.words(prompt.clamp(max=self.shape.pieces - 1)))
        x = x + self.places.weight[: prompt.shape[1]] + self.segments(segments)
        return self.norm(x)

    def id_vectors(self, at: Tensor) -> Tensor:
        return self.families(at // ID_ROOM) + self.numbers(at % ID_ROOM)

    def read(self, prompt: Tensor, segments: Tensor, real: Tensor) -> Tensor:
        """The prompt's vectors [batch, length, width]; `real` is False at padding."""
        x = self.embedded(prompt, segments)
        mask = real[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask, self.dropout)
        return x

    def write(self, memory: Tensor, real: Tensor, before: Tensor) -> Tensor:
        """The decoder's vectors [batch, time, own_width] after the answer numbers `before` (0 begins)."""
        id_at = before - self.shape.answers
        ids = self.shrink(self.id_vectors(id_at.clamp(min=0)))
        x = torch.where(
            (id_at >= 0).unsqueeze(-1), ids, self.answers(before.clamp(max=self.shape.answers - 1)).to(ids.dtype)
        )
        t = before.shape[1]
        cos, sin = self.cos[:t].to(x.dtype), self.sin[:t].to(x.dtype)
        for block in self.blocks:
            x = block(x, memory, real[:, None, None, :], cos, sin, self.dropout)
        return self.last(x)

    def scores(self, memory: Tensor, prompt: Tensor, hidden: Tensor) -> Tensor:
        """Log-probabilities [batch, time, answers + length]: of each word, and of pointing at each place."""
        words = hidden @ self.answers.weight.T.to(hidden.dtype)
        places = self.point(hidden) @ self.target(memory).transpose(1, 2) / self.shape.own_width**0.5
        places = places.masked_fill((prompt < self.shape.pieces)[:, None, :], -1e4)
        return torch.log_softmax(torch.cat((words, places), -1).float(), -1)


def start_from(network: Network, weights: Path) -> None:
    """Takes the encoder's weights from a BERT checkpoint in safetensors (all-MiniLM-L6-v2)."""
    from safetensors.torch import load_file

    found = load_file(str(weights))
    with torch.no_grad():
        network.words.weight.copy_(found["embeddings.word_embeddings.weight"])
        network.places.weight.copy_(found["embeddings.position_embeddings.weight"])
        network.segments.weight.copy_(found["embeddings.token_type_embeddings.weight"])
        copied(network.norm, found, "embeddings.LayerNorm")
        for i, layer in enumerate(network.layers):
            at = f"encoder.layer.{i}"
            for part in ("weight", "bias"):
                qkv = [found[f"{at}.attention.self.{n}.{part}"] for n in ("query", "key", "value")]
                getattr(layer.qkv, part).copy_(torch.cat(qkv))
            copied(layer.out, found, f"{at}.attention.output.dense")
            copied(layer.norm_attention, found, f"{at}.attention.output.LayerNorm")
            copied(layer.up, found, f"{at}.intermediate.dense")
            copied(layer.down, found, f"{at}.output.dense")
            copied(layer.norm_inner, found, f"{at}.output.LayerNorm")


def copied(part: nn.Module, found: dict[str, Tensor], name: str) -> None:
    part.weight.copy_(found[f"{name}.weight"])
    part.bias.copy_(found[f"{name}.bias"])
