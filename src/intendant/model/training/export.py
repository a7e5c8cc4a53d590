"""The trained network as the file that is shipped: matrices in 8 bits with a scale per row, vectors as they are."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from intendant.model.training.network import Network

__all__ = ["export"]


def export(network: Network, path: Path, *, full: bool = False) -> None:
    """Writes `path`; `full` keeps 32-bit matrices, for comparing."""
    out: dict[str, np.ndarray] = {}
    for name, tensor in network.state_dict().items():
        if name.startswith("used."):
            continue
        data = tensor.detach().float().numpy()
        if data.ndim == 2 and not full:
            scale = np.maximum(np.abs(data).max(axis=1), 1e-8) / 127
            out[f"{name}:8"] = np.round(data / scale[:, None]).astype(np.int8)
            out[f"{name}:scale"] = scale.astype(np.float32)
        else:
            out[name] = data.astype(np.float32)
    out["shape"] = np.frombuffer(json.dumps(asdict(network.shape)).encode(), dtype=np.uint8)
    with path.open("wb") as f:
        np.savez(f, **out)  # type: ignore[arg-type]
