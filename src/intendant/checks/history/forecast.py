"""What a metric should be by its own past, and how surprising it is now.

The forecast is the median of the last values (or of those of the same weekday or hour, where that did better); its
error is known from having forecast the past in the same way, so trend, season and noise are all in it. A level shift
is news for a few loads and then the level. Few residuals are joined by a prior as in Smyth's moderated t (2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

__all__ = ["Surprise", "RECENT", "WINDOW", "chance_of", "spread_of", "surprise", "surprising_distance"]

RECENT = 5
"""Values of which a forecast is the median: two bad loads among them don't move it."""
SAME_PHASE = 4
PRIOR_WEIGHT = 4.0
"""Degrees of freedom of the prior, as much as ten loads know about their own spread."""
EFFICIENCY = 0.82
"""What a residual adds to the degrees of freedom when spread is measured by Qn (Rousseeuw and Croux 1993)."""
QN_TO_SIGMA = 2.2219
QN_SMALL = (0.399, 0.994, 0.512, 0.844, 0.611, 0.857, 0.669, 0.872)
"""Their factors for 2 to 9 values."""
WINDOW = 20
"""Loads whose distances from those before them are known; more of them cost more than they tell."""
CHRONIC = 0.05
"""A value is nothing new when more than this share of the past was as far out, or several of it half as far."""
CLEARLY = 0.7
"""A season is believed when it makes the errors of the forecasts at least so much smaller."""


@dataclass(frozen=True)
class Surprise:
    """`chance` is that of a value as far from `expected` when nothing has changed, 0..1."""

    expected: float
    chance: float


def surprise(
    now: float,
    past: Sequence[float],
    *,
    prior: float,
    sampling: float = 0.0,
    side: int = 0,
    times: Sequence[str] = (),
    at: str = "",
) -> Surprise:
    """How far `now` is from its forecast.

    `prior` is how much such a metric moves by nature (a standard deviation), `sampling` the standard error of `now` as
    a sample; `side` is 1 or -1 when only more or only less is of interest. `times` are those of `past` (ISO), `at` that
    of `now`, for seasons; there are none where one of them is not known.
    `past` has at least two values.
    """
    forecast, errors = _best(past, times, at, prior)
    bias = median(errors) * len(errors) / (len(errors) + PRIOR_WEIGHT)
    rest = [e - bias for e in errors]
    return _judged(now, forecast + bias, rest, prior, sampling, side)


def surprising_distance(now: float, past: Sequence[float], *, prior: float, mean: float, sampling: float) -> Surprise:
    """The same for a distance from the recent loads (0..1), of which only more is of interest.

    `mean` and `sampling` are what its mean and its standard deviation would be from drawing samples alone.
    """
    usual = median(past)
    return _judged(now, max(usual, mean), [d - usual for d in past], prior, sampling, 1)


def chance_of(t: float, freedom: float) -> float:
    """The chance of a Student's t as large or larger in absolute value, by Wallace's approximation (1959)."""
    z = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return math.erfc(z / math.sqrt(2))


def spread_of(values: Sequence[float]) -> float:
    """Qn, a standard deviation that up to half of the values may spoil; 0 for fewer than two."""
    n = len(values)
    if n < 2:
        return 0.0
    apart = sorted(abs(a - b) for i, a in enumerate(values) for b in values[:i])
    half = n // 2 + 1
    small = QN_SMALL[n - 2] if n < 10 else n / (n + (1.4 if n % 2 else 3.8))
    return QN_TO_SIGMA * small * apart[half * (half - 1) // 2 - 1]


def mean_of(errors: Sequence[float]) -> float:
    """The mean distance from their median: two odd days of seven count, which for Qn they don't."""
    middle = median(errors)
    return sum(abs(e - middle) for e in errors) / len(errors)


def _judged(now: float, expected: float, rest: Sequence[float], prior: float, sampling: float, side: int) -> Surprise:
    """`rest` are the errors of the past beside its bias."""
    off = now - expected
    if side and off * side <= 0:
        return Surprise(expected, 1.0)
    known = EFFICIENCY * len(rest)
    freedom = PRIOR_WEIGHT + known
    variance = (PRIOR_WEIGHT * prior**2 + known * spread_of(rest) ** 2) / freedom + sampling**2
    chance = chance_of(off / math.sqrt(variance), freedom) / (2 if side else 1)
    as_far = sum(e * off > 0 and abs(e) >= abs(off) for e in rest)
    half_as_far = sum(e * off > 0 and 2 * abs(e) >= abs(off) for e in rest)
    if as_far > CHRONIC * len(rest) or half_as_far > max(1, CHRONIC * len(rest)):
        chance = max(chance, (1 + as_far) / (1 + len(rest)))
    return Surprise(expected, chance)


def _best(past: Sequence[float], times: Sequence[str], at: str, prior: float) -> tuple[float, list[float]]:
    """The next forecast, and the errors of the forecasts of the past that were made in the same way."""
    best = (_recent(past, len(past)), [x - _recent(past, i) for i, x in enumerate(past)])
    for phases in _phases(times, at) if all((*times, at)) else ():
        same = [_same_phase(past, phases, i) for i in range(len(past) + 1)]
        errors = [x - f for x, f in zip(past, same, strict=False) if f is not None]
        if same[-1] is None or len(errors) < 2 * SAME_PHASE:
            continue
        better = prior + mean_of(errors) < CLEARLY * (prior + mean_of(best[1]))
        if better:
            best = (same[-1], errors)
    return best


def _recent(past: Sequence[float], i: int) -> float:
    """The forecast of value `i`: the median of those before it; the first few are forecast by each other."""
    return median(past[max(0, i - RECENT) : i] if i >= 3 else [x for j, x in enumerate(past[:4]) if j != i])


def _same_phase(past: Sequence[float], phases: Sequence[int], i: int) -> float | None:
    same = [past[j] for j in range(i) if phases[j] == phases[i]][-SAME_PHASE:]
    return median(same) if len(same) >= 3 else None


def _phases(times: Sequence[str], at: str) -> list[list[int]]:
    """Weekdays and hours of the loads, the one tested last; none of what is the same for all of them."""
    read = [datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (*times, at)]
    found = [[t.weekday() for t in read], [t.hour for t in read]]
    return [phases for phases in found if len(set(phases)) > 1]
