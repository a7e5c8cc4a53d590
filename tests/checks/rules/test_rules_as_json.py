"""Rules as they are shown and stored."""

from __future__ import annotations

from intendant.types import Rule


def test_an_exclusive_bound_is_shown_as_itself_and_read_back() -> None:
    for rule, shown in (
        (Rule("range", "x", min=0, min_exclusive=True), {"type": "range", "column": "x", "min_exclusive": 0}),
        (Rule("range", "x", max=9, max_exclusive=True), {"type": "range", "column": "x", "max_exclusive": 9}),
        (Rule("range", "x", min=0, max=9), {"type": "range", "column": "x", "min": 0, "max": 9}),
    ):
        assert rule.as_dict() == shown and Rule.of(shown) == rule
    stored_before = {"type": "range", "column": "x", "min": 0, "min_exclusive": True}
    assert Rule.of(stored_before) == Rule("range", "x", min=0, min_exclusive=True)
