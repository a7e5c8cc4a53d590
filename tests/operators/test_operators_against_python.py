"""What each operator does is what a few lines of Python do to the same rows."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from table_shapes import ODD, Ask, Row, asker, bag, orders, people

from intendant.engines.duckdb import DuckDB
from intendant.lake import Lake
from intendant.language.parts import names

SEEDS = (1, 2, 3)
Reference = Callable[[list[Row], list[Row]], list[Row]]


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def asks(engine: DuckDB, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Ask]:
    def made(seed: int) -> Ask:
        folder: Path = tmp_path_factory.mktemp("lake")
        return asker(engine, Lake(folder, engine), {"orders": orders(seed), "people": people(seed)})

    return {seed: made(seed) for seed in SEEDS}


def last(value: Any) -> tuple[bool, Any]:
    """A key of order: missing values last, upwards."""
    return value is None, 0 if value is None else value


def falling(value: Any) -> tuple[bool, Any]:
    return value is None, 0 if value is None else -value


def of(rows: Sequence[Row], column: str) -> list[Any]:
    return [r[column] for r in rows if r[column] is not None]


def distinct(rows: Sequence[Row]) -> list[Row]:
    return [dict(r) for r in dict.fromkeys(tuple(r.items()) for r in rows)]


def filled(rows: list[Row], column: str, value: Any) -> list[Row]:
    return [{**r, column: value if r[column] is None else r[column]} for r in rows]


def carried(rows: list[Row], column: str, order: str, per: str | None, back: bool = False) -> list[Row]:
    out: list[Row] = []
    seen: dict[Any, Any] = {}
    for r in sorted(rows, key=lambda r: r[order], reverse=back):
        group = r[per] if per else 0
        seen[group] = r[column] if r[column] is not None else seen.get(group)
        out.append({**r, column: seen[group]})
    return out


def grouped(rows: list[Row], key: str, make: Callable[[list[Row]], Row]) -> list[Row]:
    parts = groupby(sorted(rows, key=lambda r: repr(r[key])), key=lambda r: r[key])
    return [{key: k, **make(list(g))} for k, g in parts]


def totals(g: list[Row]) -> Row:
    x, n = of(g, "x"), of(g, "n")
    return {
        "row_count": len(g),
        "count_x": len(x),
        "count_distinct_n": len(set(n)),
        "sum_x": sum(x) if x else None,
        "avg_x": sum(x) / len(x) if x else None,
        "low": min(x, default=None),
        "high": max(x, default=None),
        "median_x": statistics.median(x) if x else None,
        "stddev_x": statistics.stdev(x) if len(x) > 1 else None,
    }


TOTALS = "count, count x, count distinct n, sum x, avg x, min x as low, max x as high, median x, stddev x"


def joined(a: list[Row], b: list[Row], on: tuple[str, str], side: str, clash: Callable[[str], str]) -> list[Row]:
    """Ours, then theirs without their key; missing keys match nothing."""
    mine, theirs = on
    rest = [c for c in b[0] if c != theirs]
    out, used = [], set()
    for r in a:
        hits = [i for i, s in enumerate(b) if s[theirs] is not None and s[theirs] == r[mine]]
        used |= set(hits)
        out += [{**r, **{clash(c): b[i][c] for c in rest}} for i in hits]
        if not hits and side in ("left", "full"):
            out.append({**r, **{clash(c): None for c in rest}})
    if side in ("right", "full"):
        empty = dict.fromkeys(a[0])
        left = [s for i, s in enumerate(b) if i not in used]
        out += [{**empty, mine: s[theirs], **{clash(c): s[c] for c in rest}} for s in left]
    return out


def people_name(column: str) -> str:
    return f"people_{column}" if column in ("x", "t") else column


def both(a: list[Row], b: list[Row]) -> list[Row]:
    columns = [*a[0], *(c for c in b[0] if c not in a[0])]
    return [{c: r.get(c) for c in columns} for r in (*a, *b)]


def one_per(rows: list[Row], key: str, order: Callable[[Row], Any]) -> list[Row]:
    parts = groupby(sorted(rows, key=lambda r: repr(r[key])), key=lambda r: r[key])
    return [min(g, key=order) for _, g in parts]




def as_of(people: list[Row], n: int | None) -> Row | None:
    """The person with the greatest key up to n, the one with the last name of several."""
    there = [p for p in people if n is not None and p["key"] is not None and p["key"] <= n]
    return max(there, key=lambda p: (p["key"], p["name"]), default=None)


BAGS: dict[str, Reference] = {
    "filter n > 0 and t = 'a'": lambda o, p: [r for r in o if r["n"] is not None and r["n"] > 0 and r["t"] == "a"],
    "filter not n > 0": lambda o, p: [r for r in o if r["n"] is not None and not r["n"] > 0],
    "filter n is null or t is not null": lambda o, p: [r for r in o if r["n"] is None or r["t"] is not None],
    "filter n in (1, 2) or t in ('it''s')": lambda o, p: [r for r in o if r["n"] in (1, 2) or r["t"] == "it's"],
    "filter n not between -1 and 1": lambda o, p: [r for r in o if r["n"] is not None and not -1 <= r["n"] <= 1],
    "filter n != 1": lambda o, p: [r for r in o if r["n"] not in (None, 1)],
    "filter d >= '2025-01-03'": lambda o, p: [r for r in o if r["d"] is not None and r["d"].day >= 3],
    'filter "a ""b"" 🙂" = \'p\' and "order" = 1': lambda o, p: [r for r in o if r[ODD] == "p" and r["order"] == 1],
    "select x, id": lambda o, p: [{"x": r["x"], "id": r["id"]} for r in o],
    "select ID, Id": lambda o, p: [{"id": r["id"]} for r in o],
    'drop n, "order"': lambda o, p: [{k: v for k, v in r.items() if k not in ("n", "order")} for r in o],
    'rename n to "select", "order" to n': lambda o, p: [
        {{"n": "select", "order": "n"}.get(k, k): v for k, v in r.items()} for r in o
    ],
    "derive half = n / 2": lambda o, p: [{**r, "half": None if r["n"] is None else r["n"] / 2} for r in o],
    "derive whole = floor(n / 2) derive rest = id % 3 select whole, rest": lambda o, p: [
        {"whole": None if r["n"] is None else float(r["n"] // 2), "rest": r["id"] % 3} for r in o
    ],
    "derive id = -id + 2 * (id - 1)": lambda o, p: [{**r, "id": -r["id"] + 2 * (r["id"] - 1)} for r in o],
    "derive size = case when x > 10 then 'big' when x > 0 then 'small' end select size": lambda o, p: [
        {"size": None if r["x"] is None or r["x"] <= 0 else "big" if r["x"] > 10 else "small"} for r in o
    ],
    "derive who = coalesce(t, 'nobody') || '!' select who": lambda o, p: [
        {"who": ("nobody" if r["t"] is None else r["t"]) + "!"} for r in o
    ],
    "drop missing": lambda o, p: [r for r in o if None not in r.values()],
    "drop missing n, t": lambda o, p: [r for r in o if r["n"] is not None and r["t"] is not None],
    "distinct": lambda o, p: o,
    "distinct n, t": lambda o, p: distinct([{"n": r["n"], "t": r["t"]} for r in o]),
    'select "order" drop duplicates': lambda o, p: distinct([{"order": r["order"]} for r in o]),
    "drop duplicates by n keeping newest by id": lambda o, p: one_per(o, "n", lambda r: -r["id"]),
    "drop duplicates by n keeping oldest by id": lambda o, p: one_per(o, "n", lambda r: r["id"]),
    "fill n with 7": lambda o, p: filled(o, "n", 7),
    "fill t with 'it''s'": lambda o, p: filled(o, "t", "it's"),
    "fill x with mean": lambda o, p: filled(o, "x", statistics.fmean(of(o, "x"))),
    "fill x with median": lambda o, p: filled(o, "x", statistics.median(of(o, "x"))),
    "fill x with previous by id": lambda o, p: carried(o, "x", "id", None),
    "fill x with next by id": lambda o, p: carried(o, "x", "id", None, True),
    'fill x with previous by id per "order"': lambda o, p: carried(o, "x", "id", "order"),
    "clip x between -10.5 and 20": lambda o, p: [
        {**r, "x": None if r["x"] is None else min(max(r["x"], -10.5), 20.0)} for r in o
    ],
    "trim t": lambda o, p: [{**r, "t": None if r["t"] is None else r["t"].strip()} for r in o],
    'lower t upper "a ""b"" 🙂"': lambda o, p: [
        {**r, "t": r["t"] and r["t"].lower(), ODD: r[ODD] and r[ODD].upper()} for r in o
    ],
    "cast n to text cast id to number": lambda o, p: [
        {**r, "n": None if r["n"] is None else str(r["n"]), "id": float(r["id"])} for r in o
    ],
    f'group by "a ""b"" 🙂": {TOTALS}': lambda o, p: grouped(o, ODD, totals),
    f"aggregate {TOTALS}": lambda o, p: [totals(o)],
    f"filter false aggregate {TOTALS}": lambda o, p: [totals([])],
    'group by "order": sum (x * n) as product': lambda o, p: grouped(
        o, "order", lambda g: {"product": ((v := [r["x"] * r["n"] for r in g if None not in (r["x"], r["n"])]) and sum(v)) or None}
    ),
    "join people on n = key": lambda o, p: joined(o, p, ("n", "key"), "inner", people_name),
    "left join people on n = key": lambda o, p: joined(o, p, ("n", "key"), "left", people_name),
    "right join people on n = key": lambda o, p: joined(o, p, ("n", "key"), "right", people_name),
    "full join people on n = key": lambda o, p: joined(o, p, ("n", "key"), "full", people_name),
    "join orders on n": lambda o, p: joined(o, o, ("n", "n"), "inner", lambda c: f"orders_{c}"),
    "join people on n = key and t": lambda o, p: [
        {k: v for k, v in r.items() if k != "people_t"}
        for r in joined(o, p, ("n", "key"), "inner", people_name) if r["t"] is not None and r["t"] == r["people_t"]
    ],
    "union people": lambda o, p: both(o, p),
    "union orders": lambda o, p: [*o, *o],
    "union orders distinct": lambda o, p: o,
    "union orders then distinct": lambda o, p: o,
    "semi join people on n = key": lambda o, p: [r for r in o if r["n"] is not None and r["n"] in of(p, "key")],
    "anti join people on n = key": lambda o, p: [r for r in o if r["n"] is None or r["n"] not in of(p, "key")],
    "drop rows where n > 0": lambda o, p: [r for r in o if r["n"] is None or not r["n"] > 0],
    "cast t to integer or empty": lambda o, p: [{**r, "t": None} for r in o],
    "title t": lambda o, p: [{**r, "t": r["t"] and r["t"].title().replace("'S", "'s")} for r in o],
    'select id, "order", x share of x per "order" as part select id, part': lambda o, p: [
        {"id": r["id"], "part": None if r["x"] is None else r["x"] / sum(of([q for q in o if q["order"] == r["order"]], "x"))}
        for r in o
    ],
    "select id, n unpivot id, n as what, value": lambda o, p: [{"what": c, "value": r[c]} for r in o for c in ("id", "n")],
    'pivot "order": count, count x as xs': lambda o, p: [
        {
            f"{k}_{n}": f([r for r in o if r["order"] == k])
            for k in (0, 1, 2) for n, f in (("row_count", len), ("xs", lambda g: len(of(g, "x"))))
        }
    ],
    "filter t is not null select t split t by '''' as front, back": lambda o, p: [
        {"t": r["t"], "front": r["t"].split("'")[0], "back": (*r["t"].split("'"), None)[1]} for r in o if r["t"] is not None
    ],
    "group by n: list id as ids explode ids as id": lambda o, p: [{"n": r["n"], "id": r["id"]} for r in o],
    "sample 100 percent": lambda o, p: o,
    "select id, n rename id to v_1, n to v_2 wide to long v as k": lambda o, p: [
        {"k": k, "v": r[c]} for r in o for k, c in ((1, "id"), (2, "n"))
    ],
    "filter id < 3 select id, n transpose by id as what": lambda o, p: [{"what": "n", **{str(r["id"]): r["n"] for r in o[:3]}}],
    "select id, n left asof join people by n = key": lambda o, p: [
        {"id": r["id"], "n": r["n"], **{c: (as_of(p, r["n"]) or {}).get(c) for c in ("name", "x", "t")}} for r in o
    ],
}  # fmt: skip
LISTS: dict[str, Reference] = {
    "sort by n, id": lambda o, p: sorted(o, key=lambda r: (last(r["n"]), r["id"])),
    "sort by n descending, id": lambda o, p: sorted(o, key=lambda r: (falling(r["n"]), r["id"])),
    "top 5 by x": lambda o, p: sorted(o, key=lambda r: falling(r["x"]))[:5],
    "top 12 by n, id": lambda o, p: sorted(o, key=lambda r: (falling(r["n"]), -r["id"]))[:12],
    "bottom 5 by x": lambda o, p: sorted(o, key=lambda r: last(r["x"]))[:5],
    "bottom 99 by n, id descending": lambda o, p: sorted(o, key=lambda r: (last(r["n"]), -r["id"])),
    "sort by id descending first 3": lambda o, p: sorted(o, key=lambda r: -r["id"])[:3],
    "sort by id descending filter id > 2 select id first 2": lambda o, p: [{"id": 24}, {"id": 23}],
    "top 0 by x": lambda o, p: [],
    'top 1 by id per "order"': lambda o, p: [max((r for r in o if r["order"] == k), key=lambda r: r["id"]) for k in (0, 1, 2)],
    "select id sort by id running sum id by id as total": lambda o, p: [
        {"id": r["id"], "total": sum(range(r["id"] + 1))} for r in o
    ],
    "select id sort by id moving avg id over 3 rows by id as m": lambda o, p: [
        {"id": r["id"], "m": statistics.fmean(range(max(0, r["id"] - 2), r["id"] + 1))} for r in o
    ],
    "select id sort by id rank by id descending as place previous id by id as p": lambda o, p: [
        {"id": r["id"], "place": len(o) - r["id"], "p": r["id"] - 1 if r["id"] else None} for r in o
    ],
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("operators", BAGS)
def test_the_rows_are_those_of_python(operators: str, seed: int, asks: dict[int, Ask]) -> None:
    expected = BAGS[operators](orders(seed), people(seed))
    assert bag(asks[seed](f"query orders {operators}")) == bag(expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("operators", LISTS)
def test_the_rows_and_their_order_are_those_of_python(operators: str, seed: int, asks: dict[int, Ask]) -> None:
    assert asks[seed](f"query orders {operators}") == LISTS[operators](orders(seed), people(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mode_is_one_of_the_most_frequent(seed: int, asks: dict[int, Ask]) -> None:
    counts = Counter(of(orders(seed), "t"))
    most = {t for t, n in counts.items() if n == max(counts.values())}
    rows = {r["id"]: r["t"] for r in asks[seed]("query orders fill t with mode")}
    assert {rows[r["id"]] for r in orders(seed) if r["t"] is None} <= most
    assert all(rows[r["id"]] == r["t"] for r in orders(seed) if r["t"] is not None)


def test_every_operator_is_held_against_python() -> None:
    said = " ".join((*BAGS, *LISTS, "fill t with mode"))
    words = {n: "previous" if n == "shift" else n.replace("_", " ") for n in names("intendant.operators")}
    assert [n for n, word in words.items() if word not in said] == []
