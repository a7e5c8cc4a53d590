"""Small functions of the reader's network in float32, in place and in pieces that fit a core's cache where that counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "attended", "gelu", "layer_norm", "rms", "silu"]

Array = npt.NDArray[np.float32]
ROWS = 64
"""Rows that a piece has."""
LOGISTIC = tuple(
    np.float32(c / 2) for c in (2.225283023e-06, -6.093471478e-05, -2.509509569e-04, 7.293985977e-02, 1.595655153)
)
"""Half the logarithm of p / (1 - p) over x, p the normal distribution's share below x, as a polynomial in x squared; fitted up
to x = 6 so that x * p is off by at most 3.1e-6."""
FAR = np.float32(36)


SAFE = 80
"""Scores whose exponential float32 holds, so that they need not be brought down to their row's highest first."""


def attended(q: Array, keys: Array, values: Array, future: Array | None = None) -> Array:
    """Attention of scaled queries [..., n, d] over keys [..., d, m] and values [..., m, d]; `future` [n, m] is added."""
    x: Array = q @ keys
    if future is not None:
        x += future
    if x.max() > SAFE or x.min() < -SAFE:
        x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    total = x.sum(axis=-1, keepdims=True)
    out: Array = x @ values
    out /= total
    return out


def rms(x: Array) -> Array:
    """Rows over the root of their mean square."""
    scale = np.vecdot(x, x)
    scale /= x.shape[-1]
    scale += np.float32(1e-6)
    np.sqrt(scale, out=scale)
    out: Array = x / scale[:, None]
    return out


def layer_norm(x: Array, weight: Array, bias: Array) -> Array:
    """Rows brought to mean 0 and variance 1, then scaled and moved; in place."""
    x -= x.mean(axis=-1, keepdims=True)
    spread = np.vecdot(x, x)
    spread /= x.shape[-1]
    spread += np.float32(1e-12)
    x /= np.sqrt(spread)[:, None]
    x *= weight
    x += bias
    return x


def silu(gate: Array, up: Array) -> Array:
    """gate * logistic(gate) * up; `up` is overwritten."""
    share = np.exp(-gate)
    share += 1
    up *= gate
    up /= share
    return up


def gelu(x: Array) -> Array:
    """x times the normal distribution's share below x; in place."""
    squares = np.empty((min(ROWS, len(x)), x.shape[1]), np.float32)
    shares = np.empty_like(squares)
    for i in range(0, len(x), ROWS):
        part = x[i : i + ROWS]
        s, p = squares[: len(part)], shares[: len(part)]
        np.multiply(part, part, out=s)
        np.minimum(s, FAR, out=s)
        np.multiply(s, LOGISTIC[0], out=p)
        for c in LOGISTIC[1:-1]:
            p += c
            p *= s
        p += LOGISTIC[-1]
        p *= part
        np.tanh(p, out=p)
        p += 1
        part *= p
        part *= np.float32(0.5)
    return x
