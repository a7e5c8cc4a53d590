"""How the whole planner does on held-out sentences: right, wrong, asked, refused, by confidence, and how fast."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intendant.engines.duckdb import DuckDB
from intendant.errors import IntendantError
from intendant.language.plans import looks_like_plan, parse, print_plan
from intendant.model.training.catalogs import World, load_worlds
from intendant.model.training.generate import HELD_OUT, Pair, answer, bank, is_held_out
from intendant.operators._compile import Typing
from intendant.planner.merge import settled
from intendant.planner.planner import Planner
from intendant.types import Plan, Proposal

__all__ = ["Outcome", "evaluate", "outcome"]


@dataclass(frozen=True)
class Outcome:
    """One sentence's end. `kind`: right, wrong, asked, refused; `due`: plan, ask or refuse; seconds it took."""

    pair: Pair
    kind: str
    due: str
    confidence: float
    confirm: bool
    seconds: float
    said: str
    offered: bool = False
    """Whether the right plan was proposed or among the first three choices."""


def outcome(planner: Planner, pair: Pair, world: World, typing: Typing) -> Outcome:
    """What the planner makes of a held-out pair."""
    short = answer(pair.plan)
    due = "plan" if short is None else short.split()[0]
    started = time.perf_counter()
    p = planner.compile(pair.text, world.catalog, values=lambda t, c: list(world.values.get((t, c), ())))
    seconds = time.perf_counter() - started
    said = print_plan(p.plan) if p.plan else p.question.about if p.question else p.status
    kind, among = kind_of(p, pair, world, typing), due == "plan" and offered(p, pair, world, typing)
    return Outcome(pair, kind, due, p.confidence, p.confirm, seconds, said, among)


def kind_of(p: Proposal, pair: Pair, world: World, typing: Typing) -> str:
    if p.status == "refused":
        return "refused"
    if p.status == "ask" or p.plan is None:
        return "asked"
    if answer(pair.plan):
        return "wrong"
    return "right" if same(p.plan, pair, world, typing) else "wrong"


def same(plan: Plan, pair: Pair, world: World, typing: Typing) -> bool:
    """Whether the plan does what the hand-written one does."""
    try:
        return settled(plan, world.catalog, typing) == settled(parse(pair.plan), world.catalog, typing)
    except IntendantError:
        return False


def offered(p: Proposal, pair: Pair, world: World, typing: Typing) -> bool:
    """Whether the hand-written plan is the one proposed, or among the choices of the question (three at most)."""
    plans = [p.plan] if p.plan else []
    plans += [parse(c.plan) for c in (p.question.choices if p.question else ()) if looks_like_plan(c.plan)]
    return any(same(plan, pair, world, typing) for plan in plans[:3])


def evaluate(model: Path | None = None, limit: int = 0) -> dict[str, object]:
    """Scores over held-out pairs, apart for unseen catalogs; latency in milliseconds, the first sentence left out."""
    typing = Typing(DuckDB())
    planner = Planner(model, typing)
    worlds = load_worlds()
    chosen = [p for i, p in enumerate(bank()) if is_held_out(p, i) and p.catalog in worlds]
    found = [
        outcome(planner, p, worlds[p.catalog], typing)
        for p in (chosen[:: max(1, len(chosen) // limit)] if limit else chosen)
    ]
    times = sorted(o.seconds * 1000 for o in found[1:])
    return {
        "sentences": len(found),
        "all": shares(found),
        "unseen_catalogs": shares([o for o in found if o.pair.catalog in HELD_OUT]),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
        "outcomes": [
            [o.due, o.kind, o.confidence, o.confirm, o.pair.catalog, o.pair.text, o.pair.plan, o.said] for o in found
        ],
    }


def shares(found: Sequence[Outcome]) -> dict[str, float | int]:
    """Percent of outcomes, for sentences that have a plan and for those that haven't."""
    plans, others = [o for o in found if o.due == "plan"], [o for o in found if o.due != "plan"]
    kinds = Counter(o.kind for o in plans)
    n, m = max(len(plans), 1), max(len(others), 1)
    return {
        "plans": len(plans),
        "offered": round(100 * sum(o.offered for o in plans) / n, 1),
        **{k: round(100 * kinds[k] / n, 1) for k in ("right", "wrong", "asked", "refused")},
        "wrong_unconfirmed": round(100 * sum(o.kind == "wrong" and not o.confirm for o in plans) / n, 1),
        "no_plan": len(others),
        "caught": round(100 * sum(o.kind in ("asked", "refused") for o in others) / m, 1),
    }


if __name__ == "__main__":
    import sys

    result = evaluate(Path(sys.argv[1]) if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(json.dumps({k: v for k, v in result.items() if k != "outcomes"}, indent=1))
