"""Two readers: equal plans become one entry that both vouch for, and agreement raises the confidence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.planner.test_ground import grounded

from intendant.engines.duckdb import DuckDB
from intendant.errors import ModelError
from intendant.language.plans import parse
from intendant.operators._compile import Typing
from intendant.planner import confidence as judged
from intendant.planner.confidence import FEATURES, confidence, features
from intendant.planner.encode import encode
from intendant.planner.frames import Reading
from intendant.planner.ground import Grounding
from intendant.planner.merge import FLOOR, merged, settled
from intendant.planner.propose import Draft

TEXT = "show paid orders with a price over 5"
PLAN = "query orders filter status = 'paid' and price > 5"


@pytest.fixture(scope="module")
def describe() -> Iterator[Typing]:
    engine = DuckDB()
    yield Typing(engine)
    engine.close()


@pytest.fixture
def g() -> Grounding:
    return grounded("shop", TEXT)


def proposal(g: Grounding, plan: str, logprob: float) -> Draft:
    return Draft(encode(parse(plan), g), logprob)


def test_a_plan_of_both_readers_is_one_entry(g: Grounding, describe: Typing) -> None:
    other = "query orders filter price > 5 and status = 'paid'"
    found = merged([proposal(g, PLAN, -0.5)], [Reading(parse(other), (), 0.9)], g, describe)
    assert len(found) == 1 and found[0].logprob == -0.5 and found[0].certainty == 0.9


def test_agreement_raises_the_confidence_and_a_rival_reading_lowers_it(g: Grounding, describe: Typing) -> None:
    alone = merged([proposal(g, PLAN, -0.5)], [], g, describe)
    agreed = merged([proposal(g, PLAN, -0.5)], [Reading(parse(PLAN), (), 0.9)], g, describe)
    assert confidence(agreed[0], agreed) > confidence(alone[0], alone)


def test_a_reading_alone_has_the_floor_for_a_probability(g: Grounding, describe: Typing) -> None:
    found = merged([], [Reading(parse(PLAN), ("nicely",), 0.4)], g, describe)
    assert found[0].plan is not None and found[0].logprob == FLOOR and found[0].unexplained == ("nicely",)


def test_features_have_names_and_are_finite(g: Grounding, describe: Typing) -> None:
    found = merged([proposal(g, PLAN, -0.5), Draft("refuse", -2.0)], [], g, describe)
    values = features(found[0], found)
    assert len(values) == len(FEATURES) and all(abs(v) < 10 for v in values)


def test_plans_compare_equal_whatever_the_order_of_their_conditions(g: Grounding, describe: Typing) -> None:
    other = "query orders filter price > 5 and status = 'paid'"
    assert settled(parse(PLAN), g.catalog, describe) == settled(parse(other), g.catalog, describe)
    assert settled(parse(PLAN), g.catalog, describe) != settled(
        parse("query orders filter price > 5"), g.catalog, describe
    )


def test_a_missing_file_of_weights_is_said_so(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(judged, "WEIGHTS", tmp_path / "none.json")
    judged.weights.cache_clear()
    try:
        with pytest.raises(ModelError, match="confidence can't be read"):
            judged.limits()
    finally:
        judged.weights.cache_clear()
