"""Why a person must approve what a plan would cost: joins that would explode, more rows or bytes than the policy allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from intendant.catalog import Catalog
from intendant.errors import IntendantError
from intendant.operators._compile import Typing, reads_of
from intendant.operators._matches import Budget, exploding
from intendant.run.cost import sized
from intendant.run.knowledge import Knowledge
from intendant.types import Snapshot, Step

__all__ = ["joins", "storage"]

LOOK_AT_MOST = 2_000_000
"""Rows of a table above which a plan's joins are counted by the step alone, when it runs."""


SMALL = 64_000_000
"""Bytes below which nobody is asked about the quota: what a plan adds isn't worth it."""
GROWS = 4
"""Times its input that a step is taken to write at most where it is not worth working out."""
Steps: TypeAlias = Sequence[tuple[Step, Catalog, Sequence[str]]]
"""The steps of a plan, each with the catalog before it and the tables that the plan has written by then."""


def joins(step: Step, before: Catalog, made: Sequence[str], knowledge: Knowledge, typing: Typing) -> list[str]:
    """What the joins of a step would make beyond the budget, as far as it can be told before the plan has run: [] where a
    table is one that the plan itself writes (`made`)."""
    operators = step.get("operators") or ()
    if step.verb != "transform" or not any(o.verb == "join" for o in operators):
        return []
    policy = knowledge.workspace.policy
    budget = Budget(policy.join_budget_rows, policy.join_budget_factor)
    try:
        snapshots = standing(step, before, made, knowledge)
        if not snapshots or any(s.rows > LOOK_AT_MOST for s in snapshots.values()):
            return []
        found = exploding(step.args["table"], operators, before, typing, typing.engine, snapshots, budget)
        return [f.text for f in found]
    except IntendantError:  # the step itself says what is wrong with a table
        return []


def standing(step: Step, before: Catalog, made: Sequence[str], knowledge: Knowledge) -> dict[str, Snapshot]:
    """The tables that a transform reads; {} when one of them is only made by the plan."""
    names = reads_of(step.args["table"], step.args["operators"], before)
    return {} if any(n in made for n in names) else {n: knowledge.lake.snapshot(n) for n in names}


def storage(steps: Steps, knowledge: Knowledge, typing: Typing) -> list[str]:
    """Why what a plan writes is more than `[policy] plan_budget_gb`, or than the quota leaves; [] when it is not, or can't be
    told before it runs. Only where it may come near is it worked out, from samples of the tables."""
    policy, known = knowledge.workspace.policy, []
    for step, before, made in steps:
        try:
            if step.verb == "transform" and (found := standing(step, before, made, knowledge)):
                known.append((step, before, found))
        except IntendantError:
            continue
    most = GROWS * sum(s.bytes for _, _, found in known for s in found.values())
    budget = policy.plan_budget_gb * 1e9
    if most < SMALL and not (budget and most > budget):
        return []
    used = knowledge.lake.size()
    left = policy.quota_gb * 1e9 - used
    if most < left and not (budget and most > budget):
        return []
    folder = knowledge.workspace.state / "spill"
    try:
        adds = sum(sized(step, before, typing, typing.engine, found, folder).bytes for step, before, found in known)
    except IntendantError:
        return []
    out = []
    if budget and adds > budget:
        out.append(f"it writes about {adds / 1e9:.2g} GB, and policy.plan_budget_gb is {policy.plan_budget_gb:g}")
    if adds > left and adds > SMALL:
        out.append(
            f"it writes about {adds / 1e9:.2g} GB, and of policy.quota_gb = {policy.quota_gb:g} {used / 1e9:.2g} GB are used"
        )
    return out
