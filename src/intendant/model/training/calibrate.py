"""Fits the planner's confidence on held-out sentences, and chooses the thresholds; `python -m ...calibrate` writes the file.

Every candidate plan of every held-out sentence is a point: its features, and whether it equals the plan that was written by
hand. Scores are told by cross-validation over catalogs, so that no sentence is judged by weights that have seen its catalog.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intendant.engines.duckdb import DuckDB
from intendant.errors import IntendantError
from intendant.language.plans import parse
from intendant.model.training.catalogs import load_worlds
from intendant.model.training.generate import Pair, answer, bank, is_held_out
from intendant.operators._compile import Typing
from intendant.planner.confidence import FEATURES, WEIGHTS, features
from intendant.planner.ground import ground
from intendant.planner.merge import settled
from intendant.planner.planner import Planner

__all__ = ["Point", "fit", "points"]

Array = npt.NDArray[np.float64]
WRONG_AT_MOST = 0.01
"""Share of all sentences that may run with a wrong plan."""


@dataclass(frozen=True)
class Point:
    """One candidate of one sentence."""

    sentence: int
    catalog: str
    due: str
    features: list[float]
    right: bool


def chosen(limit: int) -> list[Pair]:
    """Held-out sentences, evenly taken; 0: all."""
    worlds = load_worlds()
    held = [p for i, p in enumerate(bank()) if is_held_out(p, i) and p.catalog in worlds]
    return held[:: max(1, len(held) // limit)] if limit else held


def points(model: Path | None, limit: int = 0, processes: int = 2) -> list[Point]:
    """All candidates of the held-out sentences, read by several processes, each with one BLAS thread."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    numbered = list(enumerate(chosen(limit)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = pool.map(points_of, [model] * processes, [numbered[i::processes] for i in range(processes)])
        return [p for part in parts for p in part]


def points_of(model: Path | None, numbered: Sequence[tuple[int, Pair]]) -> list[Point]:
    """The candidates of these sentences; a sentence without any has one point without features."""
    typing = Typing(DuckDB())
    planner, worlds = Planner(model, typing), load_worlds()
    out: list[Point] = []
    for n, p in numbered:
        world, due = worlds[p.catalog], answer(p.plan)
        wanted = ""
        if due is None:
            try:
                wanted = settled(parse(p.plan), world.catalog, typing)
            except IntendantError:
                continue
        found = planner.checked(ground(p.text, world.index), world.index, free=True)
        kind = "plan" if due is None else due.split()[0]
        own = [
            Point(
                n,
                p.catalog,
                kind,
                features(c, found),
                due is None and settled(c.plan, world.catalog, typing) == wanted,
            )
            for c in found
            if c.plan is not None
        ]
        out += own or [Point(n, p.catalog, kind, [], False)]
    return out


def fit(x: Array, y: Array, ridge: float = 1.0) -> Array:
    """Logistic weights, the bias first, by Newton's method."""
    x = np.hstack([np.ones((len(x), 1)), x])
    w = np.zeros(x.shape[1])
    penalty = ridge * np.eye(len(w))
    penalty[0, 0] = 1e-6
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        step = np.linalg.solve((x.T * (p * (1 - p))) @ x + penalty, x.T @ (y - p) - penalty @ w)
        w += step
        if np.abs(step).max() < 1e-8:
            break
    return w


def chosen_by(found: Sequence[Point], w: Array) -> list[tuple[float, Point]]:
    """Of every sentence the candidate with the highest score, and that score."""
    best: dict[int, tuple[float, Point]] = {}
    for p in found:
        score = float(1 / (1 + math.exp(-(w[0] + float(np.dot(w[1:], p.features)))))) if p.features else 0.0
        if p.sentence not in best or score > best[p.sentence][0]:
            best[p.sentence] = (score, p)
    return list(best.values())


def threshold(scored: Sequence[tuple[float, Point]], wrong_at_most: float) -> float:
    """The lowest score at and above which at most that share of all sentences is wrong."""
    wrong, best = 0, 1.0
    for score, p in sorted(scored, key=lambda s: -s[0]):
        wrong += not p.right
        if wrong > wrong_at_most * len(scored):
            break
        best = score
    return best


def main(model: Path | None, limit: int = 0) -> dict[str, object]:
    found = points(model, limit)
    known = [p for p in found if p.features]
    x, y = np.array([p.features for p in known]), np.array([float(p.right) for p in known])
    scored: list[tuple[float, Point]] = []
    for part in range(5):
        names = sorted({p.catalog for p in found})[part::5]
        other = np.array([p.catalog not in names for p in known])
        scored += chosen_by([p for p in found if p.catalog in names], fit(x[other], y[other]))
    w = fit(x, y)
    ready, show = threshold(scored, WRONG_AT_MOST), threshold(scored, 4 * WRONG_AT_MOST)
    plans = [s for s in scored if s[1].due == "plan"]
    others = [s for s in scored if s[1].due != "plan"]

    def share(of: Sequence[tuple[float, Point]], limit: float, right: bool) -> float:
        return round(100 * sum(s >= limit and p.right == right for s, p in of) / max(len(of), 1), 1)

    return {
        "weights": {n: round(float(v), 4) for n, v in zip(("bias", *FEATURES), w, strict=True)},
        "ready": round(ready, 3),
        "show": round(min(show, ready), 3),
        "fitted_on": {"sentences": len(scored), "candidates": len(known), "right": int(y.sum())},
        "scores": {
            "best_is_right": share(plans, 0.0, True),
            "right_ready": share(plans, ready, True),
            "right_shown": share(plans, show, True),
            "wrong_ready": share(plans, ready, False),
            "wrong_shown": share(plans, show, False),
            "no_plan_but_ready": share(others, ready, False),
            "no_plan_but_shown": share(others, show, False),
        },
    }


if __name__ == "__main__":
    import sys

    result = main(
        Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None, int(sys.argv[2]) if len(sys.argv) > 2 else 0
    )
    (Path(sys.argv[3]) if len(sys.argv) > 3 else WEIGHTS).write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
