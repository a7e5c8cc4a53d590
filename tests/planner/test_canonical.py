"""Plans of one form do the same: on real rows, for every pair that counts as equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from tests.operators.any_rows import Bench

from intendant.language.plans import parse
from intendant.planner.merge import settled

ROWS: list[dict[str, Any]] = [
    {"id": i, "g": "ab "[i % 3] + "x" * (i % 2), "x": (i * 7) % 11 if i % 5 else None, "y": i / 4, "s": f" S{i % 4}"}
    for i in range(40)
]
EQUAL = (
    ("filter x > 2 filter y < 8", "filter y < 8 and x > 2"),
    ("derive z = x + 1 filter y > 2", "filter y > 2 derive z = x + 1"),
    ("trim g, s lower s", "lower s trim s trim g"),
    ("fill x with 0 trim s", "trim s fill x with 0"),
    ("drop y drop s", "drop s, y"),
    ("drop y filter x > 2", "filter x > 2 drop y"),
    ("rename x to a rename y to b", "rename y to b, x to a"),
    ("sort by y descending first 5", "top 5 by y"),
    ("sort by y first 5", "bottom 5 by y"),
    ("group by g: sum y as t top 2 by t sort by t descending", "group by g: sum y as t top 2 by t"),
    ("drop missing x derive z = y * 2", "derive z = y * 2 drop missing x"),
)
DIFFERENT = (
    ("derive z = x + 1 filter z > 2", "filter x > 2 derive z = x + 1"),
    ("fill x with median filter y > 2", "filter y > 2 fill x with median"),
    ("fill x with 0 filter x > 2", "filter x > 2 fill x with 5"),
    ("lower g title g", "title g lower g"),
    ("top 5 by y filter x > 2", "filter x > 2 top 5 by y"),
    ("sort by y first 5", "top 5 by y"),
    ("sample 10 rows filter x > 2", "filter x > 2 sample 10 rows"),
    ("drop missing filter x > 2", "filter x > 3 drop missing"),
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("lake"))
    made.put("t", pa.Table.from_pylist(ROWS))
    made.put("u", pa.Table.from_pylist(ROWS))
    yield made
    made.engine.close()


def form(bench: Bench, text: str) -> str:
    return settled(parse(text), bench.catalog(), bench.typing)


@pytest.mark.parametrize(("a", "b"), EQUAL, ids=[a for a, _ in EQUAL])
def test_plans_of_one_form_give_the_same_rows(bench: Bench, a: str, b: str) -> None:
    assert form(bench, f"query t {a}") == form(bench, f"query t {b}")

    def rows(operators: str) -> list[Any]:
        return sorted((sorted(r.items()) for r in bench.ask(operators)), key=repr)

    assert rows(a) == rows(b)


@pytest.mark.parametrize(("a", "b"), DIFFERENT, ids=[a for a, _ in DIFFERENT])
def test_what_may_not_change_places_stays(bench: Bench, a: str, b: str) -> None:
    assert form(bench, f"query t {a}") != form(bench, f"query t {b}")


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("transform t filter x > 1\ntransform t drop y", "transform t filter x > 1 drop y", True),
        ("transform t filter x > 1 into v\ntransform v drop y", "transform t filter x > 1 drop y into v", True),
        ("transform t filter x > 1\ntransform t drop y into v", "transform t filter x > 1 drop y into v", False),
        ("transform t filter x > 1 into v\ntransform v drop y into w", "transform t filter x > 1 drop y into w", False),
        ("check t for not null x\ncheck t for unique id", "check t for unique id, not null x", True),
        ("check t for not null x on failure warn\ncheck t for unique id", "check t for unique id, not null x", False),
        ("transform t drop x\ntransform u drop x", "transform u drop x\ntransform t drop x", False),
    ],
)
def test_steps_are_one_where_they_do_the_same(bench: Bench, a: str, b: str, same: bool) -> None:
    assert (form(bench, a) == form(bench, b)) is same


def test_a_form_is_its_own_form(bench: Bench) -> None:
    for a, _ in EQUAL:
        once = form(bench, f"query t {a}")
        assert form(bench, once) == once
