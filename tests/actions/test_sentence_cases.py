"""tests/cases/sentences.intent: how a sentence is resolved, why it must be approved or is refused, and what stops it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.case_files import Case, cases
from world import World, world

from intendant.errors import IntendantError


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_TOKEN", "t")
        with world(tmp_path_factory.mktemp("sentences")) as made:
            yield made


@pytest.mark.parametrize("case", cases("sentences"))
def test_case(case: Case, here: World) -> None:
    before = here.app.tables()
    if case.outcome == "breaks":
        result = here.app.do(case.text)
    else:
        result = here.app.plan(case.text)
    if case.outcome in ("fails", "breaks"):
        e = result.error
        assert e is not None and result.status == "failed"
        assert str(IntendantError(e["message"], where=e["where"], hint=e["hint"])) == case.expected
    elif case.outcome == "asks":
        assert (result.status, result.reason) == ("succeeded", case.expected)
    else:
        assert (result.status, result.plan, result.reason) == ("succeeded", case.expected, "")
    assert here.app.tables() == before, "neither a preview nor a step that broke changes anything"
