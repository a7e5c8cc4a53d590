"""Things that were entered twice are found, and what is alike by nature or by chance is left alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from intendant.catalog import Catalog, Table
from intendant.checks.detectors.lookalike import Lookalike
from intendant.checks.detectors.missing import Missing
from intendant.checks.settings import Settings
from intendant.checks.subject import examine
from intendant.engines.base import quoted
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.operators._compile import Typing, apply, sql_text
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
PEOPLE = (
    "'Ann ' || chr(65 + (i % 26)::INTEGER) || 'oe ' || (hash(i * 3) % 700) AS name, 'u' || i || '@x.org' AS email,"
    " 'City ' || (hash(i * 5) % 40) AS city, ['gold', 'red'][1 + (hash(i * 7) % 2)::INTEGER] AS level"
)
PRODUCTS = (
    "'Product ' || i AS name, 'brand ' || (hash(i * 3) % 40) AS brand, 'kind ' || (hash(i * 5) % 12) AS kind,"
    " round((hash(i * 7) % 9000) / 100.0, 2) AS price"
)
HOUSES = (
    "(hash(i * 3) % 200) || ' Main St ' || i % 700 AS address, 'owner ' || (hash(i * 5) % 900) AS owner,"
    " 1900 + (hash(i * 7) % 90)::INTEGER AS built, DATE '1950-01-01' + (hash(i * 9) % 9000)::INTEGER AS owner_born"
)


def found(
    engine: DuckDB, snapshot: Snapshot, settings: Settings = Settings(), key: tuple[str, ...] = ()
) -> list[Finding]:
    with examine(engine, snapshot.table, snapshot, settings, key) as subject:
        if subject.total:
            list(Missing().find(subject))
        return list(Lookalike().find(subject))


def twice(columns: str, again: int = 4, rows: int = 1000) -> str:
    """Rows with an `id`, of which the first ones come again at the end with other ids."""
    return (
        f"SELECT i AS id, {columns} FROM range({rows}) r(i) UNION ALL"
        f" SELECT {rows} + i AS id, {columns} FROM range({again}) r(i) ORDER BY id"
    )


def mended(engine: DuckDB, snapshot: Snapshot, finding: Finding) -> str:
    step = parse(finding.mend).steps[0]
    catalog = Catalog({snapshot.table: Table(snapshot.table, snapshot.columns, snapshot.rows, 1)})
    return sql_text(apply(snapshot.table, step.args["operators"], catalog, Typing(engine), "").query)


def ids(engine: DuckDB, snapshot: Snapshot, sql: str, key: str = "id") -> list[object]:
    return [
        r[0] for r in engine.rows(f"SELECT {quoted(key)} FROM ({sql}) AS t ORDER BY 1", {snapshot.table: snapshot})[1]
    ]


def bad(finding: Finding) -> str:
    return f"SELECT * FROM (SELECT *, ({finding.where}) AS flag_ FROM {quoted(finding.table)}) AS f WHERE flag_"


def assert_it_mends(engine: DuckDB, table: Make, snapshot: Snapshot, finding: Finding, key: str = "id") -> None:
    """The finding's rows, and no others, go, and the columns stay; then nothing is found."""
    gone, after = ids(engine, snapshot, bad(finding), key), mended(engine, snapshot, finding)
    everything = ids(engine, snapshot, f"SELECT * FROM {quoted(snapshot.table)}", key)
    left = ids(engine, snapshot, after, key)
    assert len(gone) == finding.rows and sorted([*left, *gone]) == everything
    path = f"{snapshot.files[0]}.mended.parquet"
    with engine.session({snapshot.table: snapshot}) as con:
        con.execute(f"COPY ({after}) TO '{path}' (FORMAT parquet)")
    repaired = table(f"SELECT * FROM '{path}'", snapshot.table)
    assert repaired.columns == snapshot.columns
    assert found(engine, repaired) == []


@pytest.mark.parametrize("columns", [PEOPLE, PRODUCTS, HOUSES], ids=["people", "products", "houses"])
@pytest.mark.parametrize("again", [1, 4, 40])
def test_a_thing_entered_again_under_another_key_is_found_and_goes(
    again: int, columns: str, engine: DuckDB, table: Make
) -> None:
    snapshot = table(twice(columns, again))
    (hit,) = found(engine, snapshot)
    assert (hit.check, hit.column, hit.rows, hit.total) == ("lookalike", None, again, 1000 + again)
    assert hit.evidence.startswith(
        f"{again} of {1000 + again} rows repeat another one in everything but id: id '1000', "
    )
    assert hit.evidence.endswith(".")
    assert hit.mend.startswith("transform t drop duplicates by ")
    assert_it_mends(engine, table, snapshot, hit)
    assert min(ids(engine, snapshot, bad(hit))) == 1000


WRITTEN = {
    "case": "CASE WHEN id >= 1000 THEN upper(name) ELSE name END",
    "punctuation": "CASE WHEN id >= 1000 THEN replace(name, ' ', '-') || '.' ELSE name END",
    "blanks": "CASE WHEN id >= 1000 THEN '  ' || replace(name, ' ', '   ') ELSE name END",
    "the older one": "CASE WHEN id < 4 THEN upper(name) ELSE name END",
}


@pytest.mark.parametrize("way", WRITTEN)
def test_another_way_of_writing_is_the_same_thing(way: str, engine: DuckDB, table: Make) -> None:
    snapshot = table(f"SELECT * REPLACE ({WRITTEN[way]} AS name) FROM ({twice(PEOPLE)}) ORDER BY id")
    (hit,) = found(engine, snapshot)
    assert hit.rows == 4
    assert "rows repeat another one in everything but id, how name is written: id '1000', name" in hit.evidence
    assert "derive name_plain = " in hit.mend and "drop name_plain" in hit.mend
    assert_it_mends(engine, table, snapshot, hit)


def test_a_table_without_a_key_is_compared_by_what_its_texts_have_in_common(engine: DuckDB, table: Make) -> None:
    written = "CASE WHEN id >= 1000 THEN upper(email) ELSE email END AS email"
    sql = f"SELECT * EXCLUDE (id) REPLACE ({written}) FROM ({twice(PEOPLE)})"
    (hit,) = found(engine, table(sql))
    assert hit.rows == 4 and "in everything but how email is written: " in hit.evidence
    parse(hit.mend)


def test_equal_and_otherwise_written_ones_are_told_apart(engine: DuckDB, table: Make) -> None:
    again = "CASE WHEN id IN (1000, 1001) THEN upper(name) ELSE name END"
    equal, written = found(engine, table(f"SELECT * REPLACE ({again} AS name) FROM ({twice(PEOPLE)}) ORDER BY id"))
    assert (equal.rows, written.rows) == (2, 2)


@pytest.mark.parametrize(
    ("name", "differ"), [("loaded_at", True), ("updatedAt", True), ("created_at", True), ("happened_at", False)]
)
def test_times_of_loading_and_entering_may_differ_others_not(
    name: str, differ: bool, engine: DuckDB, table: Make
) -> None:
    sql = f"SELECT *, TIMESTAMP '2024-01-01' + to_seconds(id * 977) AS {name} FROM ({twice(PEOPLE)})"
    for shape in (sql, f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql})"):
        assert [h.rows for h in found(engine, table(shape))] == ([4] if differ else [])


def test_a_table_of_what_happened_keeps_what_happened_again(engine: DuckDB, table: Make) -> None:
    """When each row is an event, the time at which it was created is when it happened."""
    sql = (
        "SELECT i AS id, 'user ' || i % 200 AS author, 'said ' || (hash(i * 3) % 40) AS said,"
        " TIMESTAMP '2024-01-01' + to_seconds(i * 60) AS created_at FROM range(2000) r(i)"
    )
    assert found(engine, table(sql)) == []


def test_rows_that_are_nearly_empty_are_not_the_same_thing(engine: DuckDB, table: Make) -> None:
    empty = "CASE WHEN id BETWEEN 100 AND 119 THEN NULL ELSE {0} END AS {0}"
    gone = ", ".join(empty.format(c) for c in ("name", "email", "city"))
    assert found(engine, table(f"SELECT * REPLACE ({gone}) FROM ({twice(PEOPLE, again=0)})")) == []
    snapshot = table(f"SELECT * REPLACE ({gone}) FROM ({twice(PEOPLE)}) ORDER BY id")
    (hit,) = found(engine, snapshot)
    assert hit.rows == 4
    assert hit.mend == "transform t drop rows where id in (1000, 1001, 1002, 1003)"
    assert_it_mends(engine, table, snapshot, hit)


def test_a_declared_key_is_what_may_differ(engine: DuckDB, table: Make) -> None:
    sql = f"SELECT 'x' || id * 7 AS code, * EXCLUDE (id) FROM ({twice(PEOPLE)})"
    assert found(engine, table(sql)) == []
    assert [h.rows for h in found(engine, table(sql), key=("code",))] == [4]


NATURE = {
    "lines of an invoice": "'inv ' || i // 7 AS invoice, 'sku ' || (hash(i * 3) % 60) AS sku, 'item number '"
                           " || (hash(i * 3) % 60) AS item, 1 + (hash(i * 5) % 4)::INTEGER AS quantity",
    "orders of a day": "'C' || (hash(i * 3) % 100) AS customer, 'P' || (hash(i * 5) % 40) AS product,"
                       " DATE '2024-01-01' + (hash(i * 7) % 30)::INTEGER AS day",
    "measurements": "'s' || i % 20 AS sensor, 20 + (hash(i * 3) % 50) / 10.0 AS value,"
                    " TIMESTAMP '2024-01-01' + to_minutes(i // 40) AS at",
    "double clicks": "'session ' || (hash(k * 3) % 300) AS session, '/page/' || (hash(k * 5) % 30) AS page,"
                     " TIMESTAMP '2024-01-01' + to_seconds((hash(k * 7) % 90000)::BIGINT) AS at",
    "sizes": "'Beer ' || i // 3 AS name, 'brewery ' || (hash(i // 3) % 90) AS brewery,"
             " [12, 16][1 + (hash(i * 3) % 2)::INTEGER] AS ounces",
    "names by chance": "'First' || (hash(i * 3) % 60) AS first, 'Last' || (hash(i * 5) % 300) AS last",
    "names and cities by chance": "'First' || (hash(i * 3) % 90) AS first, 'Last' || (hash(i * 5) % 400) AS last,"
                                  " 'City' || (hash(i * 7) % 30) AS city",
    "addresses of several people": "'Street ' || i // 3 AS street, 'Town ' || (hash(i // 3) % 50) AS town,"
                                   " 10000 + i // 9 AS zip",
}  # fmt: skip


@pytest.mark.parametrize("kind", NATURE)
@pytest.mark.parametrize("rows", [300, 3000, 20_000])
def test_what_is_alike_by_nature_or_by_chance_is_left_alone(rows: int, kind: str, engine: DuckDB, table: Make) -> None:
    snapshot = table(
        f"SELECT i AS id, {NATURE[kind]} FROM (SELECT i, i - (hash(i) % 20 = 0)::INTEGER AS k FROM range({rows}) r(i))"
    )
    names = ", ".join(quoted(c.name) for c in snapshot.columns if c.name != "id")
    sql = f"SELECT count(*) - count(DISTINCT ({names})) FROM t"
    alike = engine.rows(sql, {"t": snapshot})[1][0][0]
    assert alike > 0 or rows < 3000 or kind == "measurements", "the test must be one: rows are alike"
    assert found(engine, snapshot) == []


def test_rows_that_are_there_twice_as_they_are_are_another_detector_s(engine: DuckDB, table: Make) -> None:
    people = f"SELECT i AS id, {PEOPLE} FROM range(1000) r(i)"
    assert found(engine, table(f"{people} UNION ALL SELECT * FROM ({people}) WHERE id < 5")) == []
    assert found(engine, table(f"SELECT * EXCLUDE (id) FROM ({people} UNION ALL {people})")) == []
    again = f"{people} UNION ALL SELECT 1000 + id, * EXCLUDE (id) FROM ({people}) WHERE id < 5"
    (hit,) = found(engine, table(f"{again} UNION ALL SELECT * FROM ({people}) WHERE id = 900"))
    assert hit.rows == 5


def test_a_table_where_every_other_row_has_a_double_is_made_so(engine: DuckDB, table: Make) -> None:
    assert found(engine, table(twice(PEOPLE, again=500))) == []


@pytest.mark.parametrize("again", [0, 6])
def test_a_large_table_is_judged_by_a_sample_and_counted_whole(again: int, engine: DuckDB, table: Make) -> None:
    hits = found(engine, table(twice(PEOPLE, again, 5000)), Settings(sample_rows=500))
    assert [h.rows for h in hits] == [again] * bool(again)
    lines = table(f"SELECT i AS id, {NATURE['lines of an invoice']} FROM range(5000) r(i)")
    assert found(engine, lines, Settings(sample_rows=500)) == []


def test_nested_columns_are_compared_too(engine: DuckDB, table: Make) -> None:
    tags = "[i % 3, i] AS tags, {'a': i % 7} AS s, MAP {'k': i} AS m"
    snapshot = table(twice(f"{PEOPLE}, {tags}"))
    (hit,) = found(engine, snapshot)
    assert hit.rows == 4
    assert_it_mends(engine, table, snapshot, hit)
    assert found(engine, table(f"SELECT *, [id] AS l FROM ({twice(PEOPLE)})")) == []


@pytest.mark.parametrize("sql", [
    "SELECT 1 AS a WHERE false", "SELECT 1 AS a, 'x' AS b", "SELECT NULL::VARCHAR AS a, NULL::INTEGER AS b",
    "SELECT NULL::VARCHAR AS a, NULL::DATE AS b FROM range(50)", "SELECT i AS id FROM range(50) r(i)",
    "SELECT i AS id, 'same' AS a, 'one' AS b FROM range(50) r(i)", "SELECT i AS id, 'n' || i AS n FROM range(50) r(i)",
    "SELECT i AS id, [i] AS l, {'k': i, 'v': [i]} AS s, MAP {'a': i} AS m FROM range(50) r(i)",
    "SELECT i AS id, i % 2 = 0 AS flag, TIME '10:00' AS clock, INTERVAL 1 DAY AS span, 'a'::BLOB AS raw, uuid() AS u"
    " FROM range(50) r(i)",
    "SELECT i AS id, 'a' || i AS a, CASE WHEN i = 1 THEN 'NaN'::DOUBLE WHEN i = 2 THEN 'Infinity'::DOUBLE ELSE i END"
    " AS d FROM range(90) r(i)",
    "SELECT i::HUGEINT * 10::HUGEINT ** 20 AS h, i::DECIMAL(18, 3) AS d, 'x' || i % 5 AS t FROM range(90) r(i)",
    "SELECT i AS id, repeat('long ', 20000) || i AS b, repeat('x', 100000) AS c FROM range(40) r(i)",
    "SELECT i AS id, ['?', '👍', '👎', '--'][1 + i % 4] || chr(128512 + i::INTEGER) AS a, '.' AS b FROM range(40) r(i)",
])  # fmt: skip
def test_odd_tables_are_looked_at_in_silence(sql: str, engine: DuckDB, table: Make) -> None:
    assert found(engine, table(sql)) == []


@pytest.mark.parametrize("name", ['a"b', " ", "🙂", "select", "x'; DROP TABLE t; --"])
def test_names_and_texts_are_never_read_as_sql(name: str, engine: DuckDB, table: Make) -> None:
    own = quoted(name)
    hostile = f"* REPLACE (name || ' '' OR 1=1; --' AS name) RENAME (email AS {own})"
    snapshot = table(f"SELECT {hostile} FROM ({twice(PEOPLE)}) ORDER BY id", 'odd "t"')
    (hit,) = found(engine, snapshot)
    assert hit.rows == 4
    assert_it_mends(engine, table, snapshot, hit)
    written = table(f"SELECT * REPLACE (CASE WHEN id < 3 THEN upper({own}) ELSE {own} END AS {own}) FROM"
                    f" (SELECT {hostile} FROM ({twice(PEOPLE)})) ORDER BY id", 'odd "t"')  # fmt: skip
    parse(next(h for h in found(engine, written) if "is written" in h.evidence).mend)


def test_fewer_rows_than_can_tell_say_nothing(engine: DuckDB, table: Make) -> None:
    assert found(engine, table(twice(PEOPLE, 2, 15))) == []
