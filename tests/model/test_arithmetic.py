"""The reader's small functions give what their formulas say, in every row and whatever the size of the numbers."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from intendant.model.arithmetic import ROWS, attended, gelu, layer_norm, rms, silu

RNG = np.random.default_rng(1)


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x.astype(float) - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def test_gelu_is_x_times_the_normal_share_below_x_in_every_row() -> None:
    x = np.concatenate((drawn(ROWS + 7, 5) * 4, np.full((1, 5), -300, np.float32), np.full((1, 5), 300, np.float32)))
    expected = [[v * NormalDist().cdf(v) for v in row] for row in x.tolist()]
    assert np.allclose(gelu(x.copy()), expected, atol=5e-6)


@pytest.mark.parametrize(
    "size", [1.0, 40.0, 1000.0], ids=["small scores", "large scores", "scores past float32's range"]
)
def test_attention_is_the_mean_of_the_values_by_softmax(size: float) -> None:
    q, k, v = drawn(2, 3, 4) * np.float32(size), drawn(2, 4, 6), drawn(2, 6, 4)
    assert np.allclose(attended(q, k, v), softmax(q @ k) @ v, atol=1e-4)


def test_attention_sees_nothing_of_the_future() -> None:
    q, k, v = drawn(2, 3, 4), drawn(2, 4, 3), drawn(2, 3, 4)
    future = np.triu(np.full((3, 3), -np.inf, np.float32), 1)
    assert np.allclose(attended(q, k, v, future)[:, 0], v[:, 0], atol=1e-6)


def test_norms_bring_rows_to_one_size() -> None:
    x = drawn(4, 8) * 7 + 3
    one, zero = np.ones(8, np.float32), np.zeros(8, np.float32)
    assert np.allclose(layer_norm(x.copy(), one, zero), (x - x.mean(1)[:, None]) / x.std(1)[:, None], atol=1e-5)
    assert np.allclose((rms(x) ** 2).mean(axis=1), 1, atol=1e-5)


def test_silu_is_gate_times_its_logistic_times_up() -> None:
    gate, up = drawn(3, 5), drawn(3, 5)
    assert np.allclose(silu(gate, up.copy()), gate / (1 + np.exp(-gate)) * up, atol=1e-6)
