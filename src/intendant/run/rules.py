"""Who reacts to which event: one table, read from top to bottom; the first rule that fits decides.

An agent's `decide` is asked where the reaction is "agent:NAME"; it answers with a reaction or with proposals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from intendant.types import Json

__all__ = ["RULES", "Reaction", "reaction_to"]

Facts = Mapping[str, Json]


@dataclass(frozen=True)
class Reaction:
    """On `event`, when the facts fit, do `reaction` (a phase of the loop, or a proposal by an agent)."""

    event: str
    fits: Callable[[Facts], bool]
    reaction: str
    why: str


def always(_: Facts) -> bool:
    return True


def on_failure(policy: str) -> Callable[[Facts], bool]:
    return lambda facts: facts.get("on_failure") == policy


RULES: tuple[Reaction, ...] = (
    Reaction("data.ready", always, "audit", "nothing is published that wasn't audited"),
    Reaction("quality.passed", always, "publish", "audited data becomes the table's new version"),
    Reaction("quality.failed", lambda f: bool(f.get("accepted")), "publish", "a person looked and accepted"),
    Reaction("quality.failed", on_failure("warn"), "publish", "the findings are reported, the data is used"),
    Reaction("quality.failed", on_failure("quarantine"), "publish", "bad rows are set aside with their reason"),
    Reaction("quality.failed", on_failure("review"), "ask", "a person decides; the stage is kept"),
    Reaction("quality.failed", always, "roll_back", "the run's tables return to what they were"),
    Reaction(
        "source.throttled", lambda f: int(f.get("count", 0)) >= 3, "agent:ingestion", "slow down before the source does"
    ),
    Reaction("storage.near_capacity", always, "agent:storage", "propose archiving or more room"),
    Reaction("performance.degraded", always, "agent:optimization", "propose a better layout"),
)


def reaction_to(event: str, facts: Facts) -> str | None:
    """The first reaction that fits, or None."""
    return next((r.reaction for r in RULES if r.event == event and r.fits(facts)), None)
