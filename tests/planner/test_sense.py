"""Plans that nobody means are told from plans that look odd and are meant."""

from __future__ import annotations

import pytest

from intendant.errors import LanguageError
from intendant.language.plans import parse
from intendant.model.training.generate import answer, bank
from intendant.planner.sense import nonsense


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("transform t drop duplicates by a, b, b", "twice"),
        ("query t filter a = a", "itself"),
        ("query t filter a > 1 and a > 1", "itself"),
        ("transform t derive x = coalesce(a, a)", "twice"),
        ("transform t derive x = days_between(a, a)", "twice"),
        ("transform t clip a between 5 and 5", "nothing lies between"),
        ("query t filter a between 10 and 1", "nothing lies between"),
        ("check t for a in ('x', 'x')", "twice"),
        ("check t for that a < a", "itself"),
        ("transform t derive x = case when a > 1 then 'b' when a > 1 then 'c' end", "condition twice"),
        ("transform t derive x = a > b * b", "times itself"),
        ("query t filter a in ('x', 'X')", "a value twice"),
        ("query t filter a is null and a > 3", "never be true"),
        ("query t filter a is null and b > 1 and days_between(c, a) > 3", "never be true"),
        ("query t filter a is null group by a: count", "always missing"),
        ("check t for a matches 'DE'", "wants a pattern"),
        ("check t for that a >= b, that a >= b", "a rule twice"),
        ("check t for a references t.a", "refers to itself"),
        ("query t join t on id", "joined with itself"),
        ("query t group by a: list a as x", "grouped by a"),
        ("transform t derive x = case when a > 2 then 'b' when a > 1 then 'b' else 'c' end", "one value for two"),
    ],
)
def test_nonsense_is_said_so(plan: str, said: str) -> None:
    with pytest.raises(LanguageError, match=said):
        nonsense(parse(plan))


@pytest.mark.parametrize(
    "plan",
    [
        "transform t derive area = side * side",
        "transform t derive twice = a + a",
        "query t filter a between 1 and 10 sort by a, b descending",
        "query t filter a = 1 or b = 1 group by a: sum b, avg b",
        "query t filter a is null and coalesce(a, b) > 3",
        "query t filter a is null or a > 3",
        "query t filter a is null group by b: count",
        "query t group by a: count a, sum b",
        "check t for a references u.a, a references t.b",
        "query t anti join t on id = boss",
        "transform t derive x = concat(a, '.', b, '.')",
        "transform t derive x = case when a > 2 then 'b' when a > 1 then 'c' else 'b' end",
    ],
)
def test_sense_is_left_alone(plan: str) -> None:
    nonsense(parse(plan))


def test_no_plan_written_by_hand_is_called_nonsense() -> None:
    for pair in bank()[::7]:
        if answer(pair.plan) is None:
            nonsense(parse(pair.plan))
