"""Rows of a known form are read in one strict pass; it gives what reading with types found anew gives, or nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest

from intendant.errors import SourceDamaged
from intendant.sources.wire.form import Form
from intendant.sources.wire.rows import JsonRows

LEAVES: dict[str, Any] = {
    "int": lambda r: r.choice([0, -1, r.randrange(10**6), 2**53 + 1, -(2**63), 2**63 - 1]),
    "double": lambda r: r.choice([0.5, -1.25, 1e-7, 0.1 + 0.2, r.random() * 1e6, 2, 1e15]),
    "bool": lambda r: r.random() < 0.5,
    "text": lambda r: r.choice(["", "a", "007", "5", "1.5", "true", "null", "[1]", '{"a":1}', "é😀", 'q"u\\o/te\n\t', "-"]),
    "plain": lambda r: r.choice(["x", "paid", "Oslo 7"]),
    "moment": lambda r: f"2024-01-{r.randint(1, 28):02d}T10:00:{r.randint(0, 59):02d}Z",
    "offset": lambda r: f"2024-01-{r.randint(1, 28):02d} 10:00:00+0{r.randint(0, 9)}:30",
    "local": lambda r: f"2024-01-{r.randint(1, 28):02d}T10:00:00.{r.randint(0, 999999):06d}",
    "date": lambda r: f"2024-02-{r.randint(1, 29):02d}",
    "american": lambda r: f"{r.randint(1, 12):02d}-0{r.randint(1, 9)}-2024",
    "empty": lambda r: None,
    "odd": lambda r: r.choice([1, 1.5, "x", True, None, [1], {"a": 1}, 2**64 - 1, 10**30, -0.0, [], {}, "2024-01-01"]),
}


def spelled(shape: Any, r: random.Random) -> Any:
    """A value of a shape: a leaf's name, a list with the shape of its elements, or a dict of shapes."""
    if r.random() < 0.03:
        return None
    if isinstance(shape, list):
        return [spelled(shape[0], r) for _ in range(r.randint(0, 3))]
    if isinstance(shape, dict):
        return {key: spelled(inner, r) for key, inner in shape.items() if r.random() > 0.02}
    return LEAVES[shape](r)


def shape_of(r: random.Random, depth: int = 0) -> Any:
    if depth < 3 and r.random() < 0.35:
        return [shape_of(r, depth + 1)] if r.random() < 0.5 else {
            f"k{i}": shape_of(r, depth + 1) for i in range(r.randint(1, 3))}
    return r.choices(list(LEAVES), [0.3 if name == "odd" else 1 for name in LEAVES])[0]


def pages(shape: dict[str, Any], r: random.Random, spare: bool) -> list[bytes]:
    rows = [{"id": i, **(spelled(shape, r) or {})} for i in range(60)]
    if spare and r.random() < 0.3:
        rows[30]["late"] = r.choice([1, "x", {"a": [1]}])
    separators = r.choice([(",", ":"), (", ", ": ")])
    ascii_only, indent = r.random() < 0.5, r.choice([None, None, 1])
    return [json.dumps(part, separators=separators, ensure_ascii=ascii_only, indent=indent).encode()
            for part in (rows[:20], rows[20:])]


def found_anew(arrays: list[bytes]) -> pa.Table:
    with closing(JsonRows()) as rows:
        return rows.table(arrays, lambda reason, raw: pytest.fail(reason), "here")


def alike(type_: pa.DataType) -> Any:
    """A type, whatever the order of keys; a key that never comes is as one that is always null."""
    if pa.types.is_struct(type_):
        return {f.name: alike(f.type) for f in type_.fields}
    return [alike(type_.value_type)] if pa.types.is_list(type_) else str(type_)


def full(value: Any, form: Form) -> Any:
    """A value with every key of the form."""
    if isinstance(value, dict):
        return {key: full(value.get(key), inner) for key, inner in form.keys.items()}
    return [full(v, form.element) for v in value] if isinstance(value, list) and form.element else value


class Watched(JsonRows):
    """Tells whether the strict pass gave the rows."""

    passed = False

    def _quick(self, arrays: Any) -> pa.Table | None:
        table = super()._quick(arrays)
        self.passed = table is not None
        return table


@contextmanager
def taught(*arrays: bytes) -> Iterator[Watched]:
    with closing(Watched()) as rows:
        rows.table(arrays, lambda reason, raw: pytest.fail(reason), "here")
        yield rows


@pytest.mark.parametrize("seed", range(60))
def test_both_ways_of_reading_give_equal_rows_of_equal_types(seed: int) -> None:
    r = random.Random(seed)
    shape = {f"c{i}": shape_of(r) for i in range(r.randint(1, 5))}
    with taught(*pages(shape, r, False)) as rows:
        for _ in range(4):
            arrays = pages(shape, r, True)
            quick, anew = rows.table(arrays, lambda reason, raw: pytest.fail(reason), "here"), found_anew(arrays)
            missing = [name for name in quick.column_names if name not in anew.column_names]
            assert all(quick[name].null_count == len(quick) for name in missing)
            assert set(anew.column_names) <= set(quick.column_names)
            form = Form.of(quick.schema)
            assert [full(row, form) for row in quick.to_pylist()] == [full(row, form) for row in anew.to_pylist()]
            for name in anew.column_names:
                assert Form.of(quick.schema).keys[name] is not None
                if "k" not in str(quick.schema.field(name).type):
                    assert alike(quick.schema.field(name).type) == alike(anew.schema.field(name).type), name


def test_rows_of_the_known_form_take_the_strict_pass() -> None:
    page = b'[{"id":1,"t":"5","d":1.5,"o":{"l":[{"q":"x"}]},"when":"2024-01-01T10:00:00Z","zip":"0123","flag":true}]'
    with taught(page) as rows:
        table = rows.table([page, page], lambda reason, raw: None, "here")
        assert rows.passed and table.num_rows == 2
    assert table.to_pylist()[1] == {"id": 1, "t": "5", "d": 1.5, "o": {"l": [{"q": "x"}]}, "flag": True,
                                    "when": datetime(2024, 1, 1, 10), "zip": "0123"}


@pytest.mark.parametrize("row", [
    '{"n":1,"new":2}', '{"n":1,"o":{"a":1,"new":2}}', '{"n":1,"n":2}', '{"n":1,"o":{"a":1,"a":2}}', '{"n":"5"}',
    '{"n":true}', '{"n":[1]}', '{"n":{"a":1}}', '{"t":5}', '{"t":true}', '{"t":["x"]}', '{"o":7}', '{"o":[1]}',
    '{"l":7}', '{"l":{"q":1}}', '{"l":["x"]}', '{"n":18446744073709551615}', '{"n":123456789012345678901234567890}',
    '{"d":9007199254740993}', '{"N":1}', "{}", "null", '{"n":NaN}', '{"n":nan}', '{"n":-Infinity}', '{"n":1e400}',
    '{"t":"a\\u0000b"}', '{"t":"a\x00b"}', '{"t":"\\ud800"}', '{"t":nan}', '{"n":01}', '{"t":"a\tb"}', "7", '"x"', "[]",
])
def test_what_does_not_fit_the_form_is_looked_at_again(row: str) -> None:
    page = b'[{"n":1,"t":"x","d":1.5,"o":{"a":1},"l":[1]},{"n":2,"t":"y","d":2.5,"o":{"a":1},"l":[1,2]}]'
    with taught(page) as rows:
        rows.table([page], lambda reason, raw: None, "here")
        assert rows.passed
        mixed = b"[" + b",".join([page[1:-1]] * 10 + [row.encode()]) + b"]"
        rows.table([mixed], lambda reason, raw: None, "here")
        assert not rows.passed


@pytest.mark.parametrize(("spelling", "value"), [
    ('"2024-01-01T12:00:00+02:00"', datetime(2024, 1, 1, 10)), ('"01-02-2024"', "01-02-2024"),
    ('"12-31-2024 10:00:00 AM"', "12-31-2024 10:00:00 AM"), ('"2024-01-01"', date(2024, 1, 1)),
    ('"24-01-01"', "24-01-01"), ('"2024-02-30"', "2024-02-30"), ('" 2024-01-01"', " 2024-01-01"),
    ('{"x": "2024-01-01T12:00:00+02:00"}', {"x": datetime(2024, 1, 1, 10)}), ('{"x": "01-02-2024"}', {"x": "01-02-2024"}),
    ('["2024-01-01", null]', [date(2024, 1, 1), None]), ('"2024-01-01T10+02:00"', "2024-01-01T10+02:00"),
])
def test_only_iso_texts_are_moments_and_offsets_count(spelling: str, value: Any) -> None:
    page = b'[{"v": ' + spelling.encode() + b"}]"
    with taught(page) as rows:
        assert found_anew([page]).to_pylist() == [{"v": value}]
        assert rows.table([page], lambda reason, raw: None, "here").to_pylist() == [{"v": value}] and rows.passed


def test_a_long_integer_beside_a_double_within_an_object_is_not_bent() -> None:
    page = b'[{"o":{"x":9007199254740993,"t":"a"}},{"o":{"x":1.5,"t":"b"}}]'
    assert [row["o"]["x"] for row in found_anew([page]).to_pylist()] == ["9007199254740993", "1.5"]


def test_a_form_that_keeps_missing_is_no_longer_tried() -> None:
    with taught(b'[{"v":1}]') as rows:
        for _ in range(4):
            rows.table([b'[{"v":1},{"v":"x"}]'], lambda reason, raw: None, "here")
        assert rows._known.form is None
        assert rows.table([b'[{"v":1}]'], lambda reason, raw: None, "here").to_pylist() == [{"v": 1}]


def test_groups_of_the_same_size_are_not_taken_for_each_other() -> None:
    with taught(b'[{"v":100}]') as rows:
        for i in range(100, 160):
            assert rows.table([b'[{"v":%d}]' % i], lambda reason, raw: None, "here")["v"].to_pylist() == [i]


def test_rows_come_in_the_order_of_their_pages_however_many() -> None:
    arrays = [json.dumps([{"v": n * 100 + i, "t": "x" * 500} for i in range(100)]).encode() for n in range(200)]
    with taught(arrays[0]) as rows:
        assert rows.table(arrays, lambda reason, raw: None, "here")["v"].to_pylist() == list(range(20_000))
        assert rows.passed


@pytest.mark.parametrize("text", [b"{}", b" { } "])
def test_objects_without_a_key_alone_are_no_rows_and_no_crash(text: bytes) -> None:
    told: list[tuple[str, str]] = []
    with closing(JsonRows()) as rows:
        assert rows.objects([text, text]) == (pa.table({}), [(0, "an object without a key"), (1, "an object without a key")])
        with pytest.raises(SourceDamaged, match="an object without a key"):
            rows.table([b"[" + text + b"]"], lambda reason, raw: told.append((reason, raw)), "here")
        assert rows.objects([text, b'{"a": 1}'])[0].to_pylist() == [{"a": None}, {"a": 1}]
