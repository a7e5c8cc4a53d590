"""tests/cases/language.intent: what is printed, and what an error of syntax says, where."""

from __future__ import annotations

import pytest
from tests.case_files import Case, cases

from intendant.errors import LanguageError
from intendant.language import parse, print_plan


@pytest.mark.parametrize("case", cases("language"))
def test_case(case: Case) -> None:
    if case.outcome == "fails":
        with pytest.raises(LanguageError) as caught:
            parse(case.text)
        assert str(caught.value) == case.expected
    else:
        assert print_plan(parse(case.text)) == (case.text if case.outcome == "same" else case.expected)


@pytest.mark.parametrize("case", [c for c in cases("language") if c.values[0].outcome == "fails"])
def test_the_place_of_an_error_is_a_fact_as_well_as_text(case: Case) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(case.text)
    facts = caught.value.facts
    assert caught.value.where == (f"line {facts['line']}, column {facts['column']}" if facts else "")
