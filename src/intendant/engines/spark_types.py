"""DuckDB's types and casts in Spark's SQL: what a cast gives there, it gives here."""

from __future__ import annotations

import re
from functools import lru_cache

import duckdb

__all__ = ["INTEGERS", "as_literal", "cast", "is_floating", "is_integer", "spark_type", "to_text"]

INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "UHUGEINT",
)
NAMES = {
    "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INTEGER": "INT", "BIGINT": "BIGINT", "UTINYINT": "SMALLINT",
    "USMALLINT": "INT", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20,0)", "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "DECIMAL(38,0)", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN", "VARCHAR": "STRING",
    "BLOB": "BINARY", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP_NTZ", "TIMESTAMP_S": "TIMESTAMP_NTZ",
    "TIMESTAMP_MS": "TIMESTAMP_NTZ", "TIMESTAMP_NS": "TIMESTAMP_NTZ", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ",
    "INTERVAL": "INTERVAL DAY TO SECOND",
}  # fmt: skip
MOMENT = r"\d{4}-\d\d?-\d\d?( \d\d?:\d\d:\d\d(\.\d+)?)?"
NUMBER = r"^\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?\\s*$"
WHOLE = r"^\\s*[+-]?[0-9]+\\s*$"
SPECIAL = r"^(?i)\\s*[+-]?(inf|infinity|nan)\\s*$"
DAY = r"^\\s*([0-9]{4,6})([-/ ])([0-9]{1,2})\\2([0-9]{1,2})"
TIME = r"[ T]+([0-9]{1,2}:[0-9]{1,2})(:[0-9]{1,2}([.][0-9]+)?)?"
ZONE = r"(Z|[+-][0-9]{1,2}(:?[0-9]{2})?)?"
BLANKS = r"(\\s{1,9}(?<=:[0-9]{1,2}:[0-9]{1,2}([.][0-9]{1,9})?\\s{1,9}))?"
"""What may follow a moment: blanks, but only behind seconds."""


@lru_cache(maxsize=4096)
def spark_type(kind: str) -> str:
    """The Spark type that holds the values of DuckDB's type `kind`; what has none is a STRING."""
    if kind in NAMES:
        return NAMES[kind]
    if is_decimal(kind):
        return kind
    if kind in ("", '"NULL"', "NULL"):
        return "VOID"
    if not kind.endswith("]") and not kind.startswith(("STRUCT", "MAP")):
        return "STRING"
    parsed = duckdb.sqltype(kind)
    children = [(name, str(inner)) for name, inner in parsed.children]
    if parsed.id in ("list", "array"):
        return f"ARRAY<{spark_type(children[0][1])}>"
    if parsed.id == "map":
        return f"MAP<{spark_type(children[0][1])}, {spark_type(children[1][1])}>"
    return "STRUCT<" + ", ".join(f"{ticked(name)}: {spark_type(inner)}" for name, inner in children) + ">"


def ticked(name: str) -> str:
    """A Spark identifier that means exactly `name`."""
    return "`" + name.replace("`", "``") + "`"


def as_literal(value: str) -> str:
    """A Spark text literal that means exactly `value`."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def is_integer(kind: str) -> bool:
    return kind in INTEGERS


def is_decimal(kind: str) -> bool:
    return kind.startswith("DECIMAL") and kind.endswith(")")


def is_floating(kind: str) -> bool:
    return kind in ("DOUBLE", "FLOAT")


def is_text(kind: str) -> bool:
    return spark_type(kind) == "STRING" if kind else False


def cast(value: str, source: str, target: str, *, lenient: bool = False) -> str:
    """Spark SQL of DuckDB's `CAST(value AS target)`, or of its TRY_CAST when `lenient`; types are DuckDB's.

    An unknown `source` ("") is cast as Spark does.
    """
    fn = "TRY_CAST" if lenient else "CAST"
    if source == target:
        return value
    if target == "JSON" and is_text(source):
        return _json(value, lenient)
    if source == "JSON" and target == "JSON[]":
        return f"TRANSFORM(CAST(PARSE_JSON({value}) AS ARRAY<VARIANT>), v -> TO_JSON(v))"
    if is_text(target) and source:
        return to_text(value, source)
    if is_text(source):
        return _from_text(value, target, lenient)
    if is_integer(target) and is_floating(source):
        return f"{fn}(RINT({value}) AS {spark_type(target)})"
    if is_integer(target) and is_decimal(source):
        return f"{fn}(ROUND({value}, 0) AS {spark_type(target)})"
    return f"{fn}({value} AS {spark_type(target)})"


def _json(value: str, lenient: bool) -> str:
    stop = "NULL" if lenient else f"RAISE_ERROR(CONCAT('Malformed JSON: ', LEFT({value}, 60)))"
    return f"CASE WHEN {value} IS NULL OR TRY_PARSE_JSON({value}) IS NOT NULL THEN {value} ELSE {stop} END"


def _refused(value: str, target: str, lenient: bool) -> str:
    said = f"CONCAT('Could not convert string \\'', LEFT({value}, 60), '\\' to {target}')"
    return f"WHEN {value} IS NULL THEN NULL ELSE {'NULL' if lenient else f'RAISE_ERROR({said})'} END"


def _from_text(value: str, target: str, lenient: bool) -> str:
    fn, wanted = "TRY_CAST" if lenient else "CAST", spark_type(target)
    refused = _refused(value, target, lenient)
    if is_integer(target):
        rounded = f"{fn}(ROUND({fn}({value} AS DECIMAL(38,18)), 0) AS {wanted})"
        return (f"CASE WHEN {value} RLIKE '{WHOLE}' THEN {fn}({value} AS {wanted}) "
                f"WHEN {value} RLIKE '{NUMBER}' THEN {rounded} {refused}")  # fmt: skip
    if is_floating(target):
        return (
            f"CASE WHEN {value} RLIKE '{NUMBER}' OR {value} RLIKE '{SPECIAL}' THEN {fn}({value} AS {wanted}) {refused}"
        )
    if is_decimal(target):
        return f"CASE WHEN {value} RLIKE '{NUMBER}' THEN {fn}({value} AS {wanted}) {refused}"
    if target in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return _moment(value, target, lenient)
    return f"{fn}({value} AS {wanted})"


def _moment(value: str, target: str, lenient: bool) -> str:
    """A day, and a time behind it where there is one; Spark alone would also read '2025' and '2025-01'."""
    if re.fullmatch(f"'{MOMENT}'", value):
        return f"CAST({value} AS {spark_type(target)})"
    fn = "TRY_CAST" if lenient else "CAST"
    shape = f"{DAY}([ T].*)?\\\\s*$" if target == "DATE" else f"{DAY}({TIME}{ZONE})?{BLANKS}$"
    written = f"REGEXP_REPLACE({value}, '{shape}', '$1-$3-$4')"
    if target != "DATE":
        zone = "$9" if target == "TIMESTAMP WITH TIME ZONE" else ""
        short = f"REGEXP_REPLACE({value}, '{shape}', '$1-$3-$4 $6:00{zone}')"
        long = f"REGEXP_REPLACE({value}, '{shape}', '$1-$3-$4 $6$7{zone}')"
        seconds = f"REGEXP_EXTRACT({value}, '{shape}', 7) <> ''"
        hour = f"REGEXP_EXTRACT({value}, '{shape}', 6) <> ''"
        written = f"CASE WHEN {seconds} THEN {long} WHEN {hour} THEN {short} ELSE {written} END"
    return f"CASE WHEN {value} RLIKE '{shape}' THEN {fn}({written} AS {spark_type(target)}) {_refused(value, target, lenient)}"


def to_text(value: str, source: str) -> str:
    """The value as DuckDB writes it."""
    if is_text(source):
        return value
    if is_floating(source):
        return _floating(value)
    if source == "TIMESTAMP WITH TIME ZONE":
        return f"(CAST({value} AS STRING) || '+00')"
    if source == "INTERVAL":
        return _interval(value)
    if source.endswith("]"):
        inner = source[: source.rindex("[")]
        shown = f"TRANSFORM({value}, e -> COALESCE({to_text('e', inner)}, 'NULL'))"
        return f"('[' || ARRAY_JOIN({shown}, ', ') || ']')"
    return f"CAST({value} AS STRING)"


def _floating(value: str) -> str:
    """0.1, 10000000.0, 1e+16, 1e-05, inf and nan; Spark would write 1.0E7, 1.0E16, 1.0E-5, Infinity and NaN."""
    written = f"CAST({value} AS STRING)"
    digits = f"REGEXP_REPLACE(CAST(CAST({written} AS DECIMAL(38,21)) AS STRING), '([.][0-9]+?)0+$', '$1')"
    mantissa = f"REGEXP_REPLACE(REGEXP_EXTRACT({written}, '^(.*)E', 1), '[.]0$', '')"
    power = f"REGEXP_EXTRACT({written}, 'E-?([0-9]+)$', 1)"
    sign = f"CASE WHEN CONTAINS({written}, 'E-') THEN 'e-' ELSE 'e+' END"
    return (f"CASE WHEN ISNAN({value}) THEN 'nan' WHEN ABS({value}) = DOUBLE('Infinity') THEN "
            f"CASE WHEN {value} > 0 THEN 'inf' ELSE '-inf' END "
            f"WHEN NOT CONTAINS({written}, 'E') THEN {written} "
            f"WHEN ABS({value}) >= 1e-4 AND ABS({value}) < 1e16 THEN {digits} "
            f"ELSE {mantissa} || {sign} || LPAD({power}, GREATEST(LENGTH({power}), 2), '0') END")  # fmt: skip


def _interval(value: str) -> str:
    """2 days 10:00:01.5"""
    day, hour, minute, second = (f"EXTRACT({part} FROM {value})" for part in ("DAY", "HOUR", "MINUTE", "SECOND"))
    whole = f"LPAD(CAST(FLOOR(ABS({second})) AS STRING), 2, '0')"
    rest = f"REGEXP_REPLACE(SUBSTRING(CAST(CAST(ABS({second}) AS DECIMAL(8,6)) AS STRING), -7), '[.]?0+$', '')"
    sign = f"CASE WHEN {hour} < 0 OR {minute} < 0 OR {second} < 0 THEN '-' ELSE '' END"
    clock = f"CONCAT({sign}, LPAD(ABS({hour}), 2, '0'), ':', LPAD(ABS({minute}), 2, '0'), ':', {whole}, {rest})"
    days = f"CASE WHEN {day} <> 0 THEN CONCAT({day}, CASE WHEN ABS({day}) = 1 THEN ' day' ELSE ' days' END) END"
    timed = f"({hour} <> 0 OR {minute} <> 0 OR {second} <> 0)"
    return (f"CASE WHEN {value} IS NULL THEN NULL WHEN {day} <> 0 AND NOT {timed} THEN {days} "
            f"ELSE CONCAT_WS(' ', {days}, {clock}) END")  # fmt: skip
