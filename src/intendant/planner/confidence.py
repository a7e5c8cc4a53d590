"""How likely a plan is what was meant: a logistic model over what the two readers say and what the plan leaves out.

Its weights are fitted on hand-written sentences that neither reader has seen (`model/training/calibrate.py`) and stand in
`model/confidence.json`, beside the thresholds that follow from them.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from pathlib import Path

from intendant.errors import ModelError
from intendant.planner.check import Checked
from intendant.planner.merge import FLOOR

__all__ = ["FEATURES", "WEIGHTS", "confidence", "features", "limits"]

WEIGHTS = Path(__file__).parents[1] / "model" / "confidence.json"
FEATURES = (
    "logprob",
    "logprob_per_word",
    "proposed",
    "share",
    "rivals",
    "certainty",
    "agreed",
    "contradicted",
    "unexplained",
    "unused",
    "unnamed",
    "guessed",
    "words",
    "steps",
    "declined",
    "passed",
    "implied",
    "apart",
    "beaten",
)


def features(c: Checked, found: Sequence[Checked]) -> list[float]:
    """What speaks for and against a candidate with a plan, in the order of FEATURES; about -3 to 3 each."""
    able = [o for o in found if (o.plan is not None or o.short or o.slot) and o.logprob > FLOOR]
    mass = sum(math.exp(o.logprob) for o in able)
    proposed = c.logprob > FLOOR
    rivals = [o for o in found if o is not c and o.certainty > 0 and o.plan is not None]
    words = len(c.text.split())
    return [
        max(c.logprob, FLOOR) / 3,
        max(c.logprob, FLOOR) / (words + 1),
        float(proposed),
        math.exp(c.logprob) / mass if proposed and mass else 0.0,
        max((math.exp(o.logprob) for o in able if o is not c), default=0.0),
        c.certainty,
        float(proposed and c.certainty > 0 and not c.unexplained),
        max((o.certainty for o in rivals if not o.unexplained), default=0.0),
        min(len(c.unexplained), 3) / 2,
        min(len(c.unused), 3) / 2,
        min(len(c.unnamed), 3) / 2,
        min(len(c.guessed), 2) / 2,
        min(words, 60) / 20,
        min(len(c.plan.steps) if c.plan else 1, 4) / 2,
        sum(math.exp(o.logprob) for o in able if o.short),
        min(c.along.passed, 4) / 2,
        min(c.along.implied, 4) / 2,
        min(c.along.apart, 4) / 2,
        max((o.logprob for o in able if o.plan is not None), default=FLOOR) / 3 - max(c.logprob, FLOOR) / 3,
    ]


def confidence(c: Checked, found: Sequence[Checked]) -> float:
    """How likely the candidate is right, 0 to 1."""
    w = weights()
    score = w["bias"] + sum(w[name] * value for name, value in zip(FEATURES, features(c, found), strict=True))
    return round(1 / (1 + math.exp(-max(-30.0, min(30.0, score)))), 3)


def limits() -> tuple[float, float]:
    """(ready, confirm): at and above the first a plan runs; at and above the second it is shown first."""
    return weights()["ready"], weights()["show"]


@functools.cache
def weights() -> dict[str, float]:
    """Raises ModelError when the file is missing or damaged."""
    try:
        found = json.loads(WEIGHTS.read_text(encoding="utf-8"))
        return {n: float(found["weights"][n]) for n in ("bias", *FEATURES)} | {
            n: float(found[n]) for n in ("ready", "show")
        }
    except (OSError, ValueError, KeyError, TypeError) as e:
        hint = "Install the package again, or fit it: `python -m intendant.model.training.calibrate`."
        raise ModelError(f"the planner's confidence can't be read: {e}", where=str(WEIGHTS), hint=hint) from None
