"""What an operator that doesn't fit says: what is wrong, where, and the mend."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from any_rows import Bench

from intendant.errors import EngineError, IntendantError, LanguageError, TypeMismatch, UnknownName
from intendant.operators.cast import KNOWN

DATA = pa.table({"id": [1], "name": ["a"], "x": [1.5], "day": ["1.2.2025"], "l": [[1]], "flag": [True]})
CASES = (
    (
        "explode id",
        TypeMismatch,
        "`explode` needs a list; 'id' is BIGINT (at `explode id`). Use a column that holds lists.",
    ),
    (
        "explode name",
        TypeMismatch,
        "`explode` needs a list; 'name' is VARCHAR (at `explode name`). Where it holds JSON, cast it first: `cast name to "
        "json`; else split it: `split name by ',' as first_part, second_part`.",
    ),
    ("explode l as ID", LanguageError, "two columns would be named 'id' (at `explode l as ID`). Choose another name."),
    (
        "split x by ',' as a",
        TypeMismatch,
        "`split` needs text; 'x' is DOUBLE (at `split x by ',' as a`). Cast it first: `cast x to text`.",
    ),
    (
        "split name by '' as a",
        LanguageError,
        "`split` needs something to split by (at `split name by '' as a`). Say it, e.g. `by ','`.",
    ),
    (
        "split name by ',' as a, A",
        LanguageError,
        "two columns would be named 'A' (at `split name by ',' as a, A`). Choose another name.",
    ),
    (
        "unpivot id, name as what, value",
        TypeMismatch,
        "'id' is BIGINT, 'name' is VARCHAR: they can't share a column (at `unpivot id, name as what, value`). Cast them "
        "first: `cast id to text cast name to text`.",
    ),
    (
        "unpivot id, x as name, value",
        LanguageError,
        "two columns would be named 'name' (at `unpivot id, x as name, value`). Choose another name.",
    ),
    (
        "pivot name in ('a', 'A'): count",
        LanguageError,
        "two columns would be named 'A' (at `pivot name in ('a', 'A'): count`). Rename the key, or make the values of "
        "'name' alike, e.g. with `lower`.",
    ),
    (
        "pivot name in (1): count",
        TypeMismatch,
        "`name` is text, `1` is a number (at `pivot name in (1): count`). Compare like with like: quote text, leave numbers "
        "bare, or cast the column.",
    ),
    (
        "pivot name: sum day",
        TypeMismatch,
        "`sum` needs a number; `\"day\"` is text (at `pivot name: sum \"day\"`). Cast it first: `cast \"day\" to number`.",
    ),
    (
        "moving avg x over 0 rows by id as m",
        LanguageError,
        "a moving value needs at least 1 row (at `moving avg x over 0 rows by id as m`). Say how many, e.g. `over 7 rows`.",
    ),
    (
        "running sum name by id as t",
        TypeMismatch,
        "`sum` needs a number; `name` is text (at `running sum name by id as t`). Cast it first: `cast name to number`.",
    ),
    (
        "share of name as part",
        TypeMismatch,
        "`share of` needs a number; 'name' is VARCHAR (at `share of name as part`). Cast it first: `cast name to number`.",
    ),
    (
        "sample 101 percent",
        LanguageError,
        "101 percent is more than there is (at `sample 101 percent`). Say 1 to 100 percent.",
    ),
    (
        "title x",
        TypeMismatch,
        "`title` needs text; 'x' is DOUBLE (at `title x`). Cast it first: `cast x to text`.",
    ),
    (
        "cast x to date written '%d'",
        TypeMismatch,
        "`written` needs text; 'x' is DOUBLE (at `cast x to date written '%d'`). Leave it out: `cast x to date`.",
    ),
    (
        "cast name to integer written '%d'",
        LanguageError,
        "`written` is for dates and timestamps, not for integer (at `cast name to integer written '%d'`). Leave it out: "
        "`cast name to integer`.",
    ),
    (
        "cast name to date written '%d.%Q'",
        LanguageError,
        "'%Q' is no part of a format (at `cast name to date written '%d.%Q'`). Write it with %Y, %m, %d, %H, %M, %S, e.g. "
        "'%d.%m.%Y'.",
    ),
    (
        "cast name to date written 'dd.mm.yyyy'",
        LanguageError,
        "'dd.mm.yyyy' is no format of a date (at `cast name to date written 'dd.mm.yyyy'`). Write it with %Y, %m, %d, %H, "
        "%M, %S, e.g. '%d.%m.%Y'.",
    ),
    (
        "drop rows where x",
        None,
        "",
    ),
    (
        "drop rows where name",
        TypeMismatch,
        "`name` is text, not a condition (at `drop rows where name`). Compare it with something, e.g. `> 0`.",
    ),
    (
        "semi join t on id = name",
        TypeMismatch,
        "'id' is BIGINT, 'name' is VARCHAR: they can't match (at `semi join t on id = name`). Cast one first: `cast id to "
        "text`.",
    ),
    (
        "aggregate variance name",
        TypeMismatch,
        "`variance` needs a number; `name` is text (at `aggregate variance name`). Cast it first: `cast name to number`.",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("said", "kind", "text"), CASES, ids=[c[0] for c in CASES])
def test_an_operator_that_does_not_fit_says_what_where_and_the_mend(
    bench: Bench, said: str, kind: type[IntendantError] | None, text: str
) -> None:
    bench.put("t", DATA)
    if kind is None:
        assert bench.columns(said)
        return
    with pytest.raises(kind) as caught:
        bench.columns(said)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "said",
    [
        "explode nam", "split nam by ',' as a", "pivot nam in ('a'): count", "pivot name in ('a'): sum nam",
        "pivot name in ('a'): count by nam", "unpivot nam as a, b", "rank by nam as r", "rank by id per nam as r",
        "running sum nam by id as r", "running sum id by nam as r", "moving avg nam over 2 rows by id as r",
        "previous nam by id as r", "next name by nam as r", "share of nam as r", "share of x per nam as r",
        "top 1 by id per nam", "semi join t on nam", "title nam", "cast nam to date or empty", "drop rows where nam = 'a'",
        "group by id: list nam",
    ],
)  # fmt: skip
def test_an_unknown_column_gets_the_nearest_one(bench: Bench, said: str) -> None:
    bench.put("t", DATA)
    with pytest.raises(UnknownName) as caught:
        bench.columns(said)
    assert caught.value.hint == "Did you mean 'name'?"
    assert "there is no column 'nam'" in str(caught.value)


def test_a_date_that_is_written_otherwise_stops_the_step(bench: Bench) -> None:
    bench.put("t", DATA)
    with pytest.raises(EngineError, match=r"1\.2\.2025"):
        bench.ask("cast day to date written '%Y-%m-%d'")


@pytest.mark.parametrize("directive", sorted(KNOWN))
def test_the_engine_knows_every_part_of_a_format_that_is_let_through(directive: str) -> None:
    duckdb.sql(f"SELECT try_strptime(x, '%{directive}') FROM (VALUES ('no')) t(x)").execute()
