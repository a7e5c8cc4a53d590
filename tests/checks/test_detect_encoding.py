"""Damaged text is found and mended; sound text of any language is left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intendant.catalog import Catalog, Table
from intendant.checks import audit
from intendant.checks.detectors.encoding import Encoding, Repair
from intendant.checks.rules import rule_of
from intendant.checks.settings import Settings
from intendant.checks.subject import examine
from intendant.engines.base import text
from intendant.engines.duckdb import DuckDB
from intendant.language import parse
from intendant.operators._compile import Typing, apply, sql_text
from intendant.types import Finding, Snapshot

Make = Callable[..., Snapshot]
CITIES = ("München", "Berlin", "Köln", "São Paulo", "Łódź", "Paris")


def found(engine: DuckDB, snapshot: Snapshot, settings: Settings = Settings()) -> list[Finding]:
    with examine(engine, snapshot.table, snapshot, settings) as subject:
        return list(Encoding().find(subject))


def column(values: Sequence[str], rows: int = 100, name: str = "c") -> str:
    """A table of `rows` rows that has these values in its first rows, and city names in all others."""
    whens = " ".join(f"WHEN {i} THEN {text(v)}" for i, v in enumerate(values)) or "WHEN -1 THEN ''"
    cities = ", ".join(map(text, CITIES))
    return f"SELECT i AS id, CASE i {whens} ELSE [{cities}][1 + i % 6] END AS {name} FROM range({rows}) r(i)"


def mended(engine: DuckDB, snapshot: Snapshot, finding: Finding) -> str:
    """The query that a mend's `transform` makes."""
    step = parse(finding.mend).steps[0]
    catalog = Catalog({"t": Table("t", snapshot.columns, snapshot.rows, 1)})
    return sql_text(apply("t", step.args["operators"], catalog, Typing(engine), "").query)


def values_after(engine: DuckDB, table: Make, snapshot: Snapshot, finding: Finding) -> tuple[list[str], Snapshot]:
    _, rows = engine.rows(f"SELECT c FROM ({mended(engine, snapshot, finding)}) AS t ORDER BY id", {"t": snapshot})
    after = table(f"SELECT i AS id, v AS c FROM (SELECT unnest({[r[0] for r in rows]}) AS v) POSITIONAL JOIN"
                  f" range({len(rows)}) r(i)")  # fmt: skip
    return [r[0] for r in rows], after


def wrong(value: str, decoding: str = "cp1252") -> str:
    """The text as UTF-8, read as if it were something else; what that has no character for stays a control character."""
    return "".join(bytes([b]).decode(decoding, "ignore") or chr(b) for b in value.encode())


DAMAGED = {
    "read as cp1252": ["MÃ¼nchen", "donâ€™t", "5Â kg", "20Â°C"],
    "read as Latin-1": [wrong("Łódź – “so”", "latin-1"), wrong("Москва", "latin-1"), wrong("naïve 東京", "latin-1")],
    "read wrongly twice": [wrong(wrong("München")), wrong(wrong("don’t")), wrong(wrong("Ångström", "latin-1"))],
    "a last character that is gone": ["â€œsoâ€ they say", "voilÃ "],
    "cp1252 read as Latin-1": ["don\x92t"],
    "invisible": ["a\u200bb", "\ufeffBerlin", "soft\u00adly", "\u200e5/3/2020", "a\x07b", "\x1b[31mred\x1b[0m"],
    "halved": ["it\x19s", "a \x13 b"],
    "entities": ["AT&amp;T", "caf&eacute;", "R&amp;amp;D", "5&#8364;"],
}
RIGHT = {
    "read as cp1252": ["München", "don’t", "5 kg", "20°C"],
    "read as Latin-1": ["Łódź – “so”", "Москва", "naïve 東京"],
    "read wrongly twice": ["München", "don’t", "Ångström"],
    "a last character that is gone": ["“so” they say", "voilà "],
    "cp1252 read as Latin-1": ["don’t"],
    "invisible": ["ab", "Berlin", "softly", "5/3/2020", "ab", "red"],
    "halved": ["it’s", "a – b"],
    "entities": ["AT&T", "café", "R&D", "5€"],
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_is_found_in_its_rows_and_mended(damage: str, engine: DuckDB, table: Make) -> None:
    snapshot = table(column(DAMAGED[damage]))
    (hit,) = found(engine, snapshot)
    assert (hit.check, hit.column, hit.rows, hit.total) == ("encoding", "c", len(DAMAGED[damage]), 100)
    assert hit.evidence.endswith(".") and " of 100 values of c " in hit.evidence
    _, rows = engine.rows(f"SELECT id FROM t WHERE {hit.where} ORDER BY id", {"t": snapshot})
    assert [r[0] for r in rows] == list(range(hit.rows))
    after, repaired = values_after(engine, table, snapshot, hit)
    assert after[: hit.rows] == RIGHT[damage]
    assert found(engine, repaired) == []


@pytest.mark.parametrize("sign", ["\ufffd", "ï¿½"])
def test_what_is_lost_for_ever_is_set_aside(sign: str, engine: DuckDB, table: Make) -> None:
    snapshot = table(column([f"M{sign}nchen", f"K{sign}ln", "MÃ¼nchen"]))
    lost, other = found(engine, snapshot)
    assert (lost.rows, other.rows) == (2, 1)
    step = parse(lost.mend).steps[0]
    assert step.args["on_failure"] == "quarantine"
    (broken,) = audit(engine, "t", snapshot, [rule_of(s) for s in step.args["rules"]])
    both = f"SELECT count(*) FROM t WHERE ({broken.where}) AND ({lost.where})"
    assert broken.rows == lost.rows == engine.rows(both, {"t": snapshot})[1][0][0]


SOUND = {
    "Portuguese": ["NÃO", "IRMÃ", "“IRMÔ", "“MANHÃ”", "MAÇÃ…", "Ã", "the letter “Ã”"],
    "French": ["CAFÉ™", "café”…", "«ÉCOLE»", "à «voir»", "l’été", "À…", "œuvre", "JOSÉ’S CAFÉ"],
    "German": ["„Spaß“", "„Groß“ und klein", "Ü“", "straße…"],
    "measures": ['20mm Ø½"', "Ø¼", "5 Å\u00a0resolution", "Å’s", "x²", "½ ¼", "±5 °C"],
    "other scripts": ["Москва", "Αθήνα", "東京", "القاهرة", "ירושלים", "Đà Nẵng", "naïve"],
    "joiners": ["نمی\u200cدانم", "👨\u200d👩\u200d👧", "สวัสดี\u200bครับ", "שלום\u200f!"],
    "ampersands": ["R&D", "a & b;", "&foo;", "http://x?a=1&b=2;", "<p>caf&eacute;</p>", "Q&A; more"],
    "blanks": ["tab\there", "a\r\nb", "  ", "\u00a0"],
    "a letter on its own": ["Â", "alphabet Â"],
}


@pytest.mark.parametrize("kind", SOUND)
def test_sound_text_is_left_alone(kind: str, engine: DuckDB, table: Make) -> None:
    assert found(engine, table(column(SOUND[kind]))) == []


def test_what_may_also_be_sound_is_damage_only_beside_certain_damage(engine: DuckDB, table: Make) -> None:
    assert found(engine, table(column(["KÃ–LN"]))) == []
    (hit,) = found(engine, table(column(["KÃ–LN", "MÃ¼nchen"])))
    assert hit.rows == 2


def test_a_column_written_with_entities_or_control_characters_is_its_own_way(engine: DuckDB, table: Make) -> None:
    for value in ("'a &amp; ' || i", "'a' || chr(31) || i"):
        assert found(engine, table(f"SELECT i AS id, {value} AS c FROM range(100) r(i)")) == []


def test_a_text_with_two_kinds_of_damage_is_mended_by_one_sentence(engine: DuckDB, table: Make) -> None:
    snapshot = table(column(["MÃ¼ller &amp; S\u200böhne"]))
    (hit,) = found(engine, snapshot)
    after, repaired = values_after(engine, table, snapshot, hit)
    assert after[0] == "Müller & Söhne" and found(engine, repaired) == []


def test_a_text_of_nothing_but_what_can_t_be_seen_is_missing(engine: DuckDB, table: Make) -> None:
    snapshot = table(column(["\u200b"]))
    (hit,) = found(engine, snapshot)
    assert engine.rows(f"SELECT c FROM ({mended(engine, snapshot, hit)}) AS t WHERE id = 0", {"t": snapshot})[1] == [
        (None,)
    ]


def test_the_character_nul_is_named_by_a_regular_expression(engine: DuckDB, table: Make) -> None:
    snapshot = table(
        "SELECT i AS id, CASE WHEN i < 3 THEN 'a' || chr(0) || i ELSE 'b' || i END AS c FROM range(50) r(i)"
    )
    (hit,) = found(engine, snapshot)
    assert hit.rows == 3
    after, _ = (
        engine.rows(f"SELECT c FROM ({mended(engine, snapshot, hit)}) AS t ORDER BY id LIMIT 3", {"t": snapshot})[1],
        0,
    )
    assert after == [("a0",), ("a1",), ("a2",)]


@pytest.mark.parametrize("many", [400, 5000])
def test_too_many_texts_to_list_are_mended_piece_by_piece(many: int, engine: DuckDB, table: Make) -> None:
    sql = (
        f"SELECT i AS id, CASE WHEN i < {many} THEN 'MÃ¼ller Ã ' || i ELSE 'Meier ' || i END AS c FROM range(9000) r(i)"
    )
    sql = sql.replace("Ã '", "Ã\u00a0'")
    snapshot = table(sql)
    (hit,) = found(engine, snapshot)
    assert hit.rows == many
    assert engine.rows(f"SELECT count(*), max(id) FROM t WHERE {hit.where}", {"t": snapshot})[1] == [(many, many - 1)]
    after, repaired = values_after(engine, table, snapshot, hit)
    assert after[7] == "Müller à7" and found(engine, repaired) == []


def test_a_large_column_is_searched_in_all_its_rows(engine: DuckDB, table: Make) -> None:
    sql = "SELECT i AS id, CASE WHEN i % 500 = 7 THEN 'Ã¼ber ' ELSE 'over ' END || i AS c, 'x' || i AS d FROM range(4000) r(i)"
    (hit,) = found(engine, table(sql), Settings(max_distinct=100))
    assert (hit.rows, hit.column) == (8, "c")


@pytest.mark.parametrize("sql", [
    "SELECT 1 AS a WHERE false", "SELECT 1 AS a, 'MÃ¼nchen' AS b", "SELECT NULL::VARCHAR AS a FROM range(50)",
    "SELECT 'MÃ¼nchen' AS a FROM range(19)", "SELECT 'same' AS a FROM range(50)",
    "SELECT [i] AS l, {'k': 'MÃ¼nchen'} AS s, ['MÃ¼nchen'] AS m FROM range(50) r(i)",
    "SELECT i % 2 = 0 AS flag, 'a'::BLOB AS raw, uuid() AS u, '{\"a\": \"&amp;\"}'::JSON AS j FROM range(50) r(i)",
    "SELECT CASE WHEN i = 1 THEN 'NaN'::DOUBLE ELSE i END AS d, i::HUGEINT::DOUBLE AS h FROM range(90) r(i)",
    "SELECT repeat('long é ', 15000) || i AS b FROM range(60) r(i)",
    "SELECT (['a', 'b'][1 + i % 2])::ENUM('a', 'b') AS e FROM range(60) r(i)",
])  # fmt: skip
def test_odd_tables_are_looked_at_in_silence(sql: str, engine: DuckDB, table: Make) -> None:
    assert found(engine, table(sql)) == []


@pytest.mark.parametrize("name", ['a"b', " ", "🙂", "select", "x'; DROP TABLE t; --"])
def test_names_and_texts_are_never_read_as_sql(name: str, engine: DuckDB, table: Make) -> None:
    damaged = ["MÃ¼'nchen\"; --", "K\ufffd'ln"]
    snapshot = table(column(damaged, name='"' + name.replace('"', '""') + '"'))
    for hit in found(engine, snapshot):
        assert (hit.column, hit.rows) == (name, 1)
        step = parse(hit.mend).steps[0]
        if step.verb == "transform":
            engine.rows(mended(engine, snapshot, hit), {"t": snapshot})


def test_a_very_long_text_is_mended_too(engine: DuckDB, table: Make) -> None:
    snapshot = table(f"SELECT i AS id, repeat('MÃ¼nchen ', {100_000 // 9}) || i AS c FROM range(25) r(i)")
    (hit,) = found(engine, snapshot)
    assert hit.rows == 25 and len(hit.evidence) < 500 and len(hit.mend) < 500
    _, repaired = values_after(engine, table, snapshot, hit)
    assert found(engine, repaired) == []


@given(
    st.text(
        st.characters(max_codepoint=0x24F, exclude_categories=["Cc", "Cs"]) | st.sampled_from("â€™Ã¼Â&;amp"),
        max_size=12,
    ),
    st.booleans(),
)
def test_a_mended_text_has_nothing_left_to_mend(value: str, doubtful: bool) -> None:
    repair = Repair(doubtful)
    once = repair(value)
    for _ in range(9):
        once = repair(once)
    assert repair(once) == once


@example("ášœ")
@given(st.text(st.characters(categories=["Ll"], max_codepoint=0x17F), min_size=1))
def test_words_without_punctuation_are_never_damaged(value: str) -> None:
    assert Repair(doubtful=True)(value) == value
