"""Declared rules, one file each: how a rule is said, its shape in the contract, and the SQL of its violations."""

from __future__ import annotations

from collections.abc import Mapping

from intendant.checks.rules.base import RuleKind
from intendant.language import parts
from intendant.types import Json, Rule, Step

__all__ = ["RuleKind", "kinds", "rule_of", "rules_of", "sentence_of"]


def kinds() -> dict[str, RuleKind]:
    """All kinds of rule by name."""
    return {cls.verb: cls() for cls in parts.load("intendant.checks.rules")}  # type: ignore[attr-defined]


def rule_of(step: Step) -> Rule:
    """The rule that a step of the language declares."""
    return kinds()[step.verb].rule(step)


def sentence_of(rule: Rule) -> str:
    """The rule in the intent language, e.g. `amount between 0 and 100`."""
    from intendant.language.grammar import grammar

    kind = kinds()[rule.type]
    return grammar().rules[kind.verb].write(kind.step(rule).args)


def rules_of(settings: Mapping[str, Json]) -> list[Rule]:
    """The rules stored with a table."""
    return [Rule.of(r) for r in settings.get("rules", ())]
