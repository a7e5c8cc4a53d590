"""The planner's network: Qwen2's architecture at a few million parameters, in plain PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Network", "Shape"]


@dataclass(frozen=True)
class Shape:
    """Sizes. `width` and `inner` are multiples of 32, as 8-bit blocks need."""

    words: int
    width: int = 256
    layers: int = 5
    heads: int = 4
    inner: int = 640
    context: int = 256
    theta: float = 10_000.0
    epsilon: float = 1e-6


class Norm(nn.Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


class Block(nn.Module):
    """Attention with biased queries, keys and values; then a gated feed-forward. Both read a normed copy."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.heads = s.heads
        self.norm_attention, self.norm_inner = Norm(s.width, s.epsilon), Norm(s.width, s.epsilon)
        self.qkv = nn.Linear(s.width, 3 * s.width)
        self.out = nn.Linear(s.width, s.width, bias=False)
        self.gate_up = nn.Linear(s.width, 2 * s.inner, bias=False)
        self.down = nn.Linear(s.inner, s.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, dropout: float) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            self.qkv(self.norm_attention(x))
            .view(batch, length, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(turned(q, cos, sin), turned(k, cos, sin), v, is_causal=True)
        x = x + F.dropout(self.out(mixed.transpose(1, 2).reshape(batch, length, width)), dropout, self.training)
        gate, up = self.gate_up(self.norm_inner(x)).chunk(2, -1)
        return x + F.dropout(self.down(F.silu(gate) * up), dropout, self.training)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, halves side by side ("neox")."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Network(nn.Module):
    """Token numbers [batch, length] to scores [batch, length, words]; the output shares the input's table."""

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.embedding = nn.Embedding(shape.words, shape.width)
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.layers)])
        self.norm = Norm(shape.width, shape.epsilon)
        half = shape.width // shape.heads // 2
        angles = torch.outer(torch.arange(shape.context).float(), shape.theta ** (-torch.arange(half).float() / half))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02 if p is self.embedding.weight else (1.0 / shape.width) ** 0.5 * 0.7)

    def hidden(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        length = tokens.shape[1]
        cos, sin = self.cos[:length].to(x.dtype), self.sin[:length].to(x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin, self.dropout)
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self.hidden(tokens), self.embedding.weight)
