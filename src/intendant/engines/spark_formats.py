"""Formats of dates and regular expressions, DuckDB's way (strftime, RE2) in Spark's (Java)."""

from __future__ import annotations

import re

from intendant.engines.spark_types import as_literal
from intendant.errors import EngineError

__all__ = ["formatted", "parsed", "regex", "replacement"]

JAVA = {
    "Y": "yyyy", "m": "MM", "d": "dd", "H": "HH", "M": "mm", "S": "ss", "y": "yy", "j": "DDD", "f": "SSSSSS", "g": "SSS",
    "B": "MMMM", "b": "MMM", "A": "EEEE", "a": "EEE", "I": "hh", "p": "a", "-d": "d", "-m": "M", "-H": "H", "-I": "h",
    "-M": "m", "-S": "s", "-j": "D", "n": "SSSSSS'000'",
}  # fmt: skip
"""What a part of a strftime format is in Java's; `%n` are nanoseconds."""
WHOLE = {"x": "%Y-%m-%d", "X": "%H:%M:%S", "c": "%Y-%m-%d %H:%M:%S"}
COMPUTED = {
    "u": "CAST(WEEKDAY({t}) + 1 AS STRING)",
    "w": "CAST(DAYOFWEEK({t}) - 1 AS STRING)",
    "V": "LPAD(CAST(WEEKOFYEAR({t}) AS STRING), 2, '0')",
    "G": "CAST(EXTRACT(YEAROFWEEK FROM {t}) AS STRING)",
    "U": "LPAD(CAST((DAYOFYEAR({t}) + 7 - DAYOFWEEK({t})) DIV 7 AS STRING), 2, '0')",
    "W": "LPAD(CAST((DAYOFYEAR({t}) + 6 - WEEKDAY({t})) DIV 7 AS STRING), 2, '0')",
    "-y": "CAST(YEAR({t}) % 100 AS STRING)",
    "z": "'+00'",
    "Z": "''",
    "%": "'%'",
}
READ = {
    "Y": "([0-9]{1,4})", "m": "([0-9]{1,2})", "d": "([0-9]{1,2})", "H": "([0-9]{1,2})", "M": "([0-9]{1,2})",
    "S": "([0-9]{1,2})", "y": "([0-9]{1,2})", "I": "([0-9]{1,2})", "f": "([0-9]{1,6})", "p": "([AaPp][Mm])",
    "b": "([A-Za-z]{3})", "B": "([A-Za-z]{3,9})", "a": "([A-Za-z]{3})", "A": "([A-Za-z]{6,9})",
}  # fmt: skip
"""What a part of a strptime format matches."""
MONTHS = "ARRAY('jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec')"
PARTS = re.compile(r"%(-?.)", re.DOTALL)


def pieces(written: str) -> list[tuple[str, str]]:
    """A format taken apart: ("", literal text) and (directive, "")."""
    for short, long in WHOLE.items():
        written = written.replace("%" + short, long) if "%%" not in written else written
    out, at = [], 0
    for found in PARTS.finditer(written):
        out += [("", written[at : found.start()])] if found.start() > at else []
        out.append((found[1], ""))
        at = found.end()
    return [*out, *([("", written[at:])] if at < len(written) else [])]


def formatted(moment: str, written: str) -> str:
    """Spark SQL of `strftime(moment, written)`. Raises EngineError for what Spark can't write."""
    out = []
    for part, text in pieces(written):
        if text:
            out.append(as_literal(text))
        elif part in JAVA:
            out.append(f"DATE_FORMAT({moment}, {as_literal(JAVA[part])})")
        elif part in COMPUTED:
            out.append(f"{COMPUTED[part].format(t=moment)}")
        else:
            raise unknown(part)
    joined = " || ".join(out) or "''"
    return f"CASE WHEN {moment} IS NOT NULL THEN {joined} END"


def parsed(value: str, written: str, *, lenient: bool) -> str:
    """Spark SQL of `strptime(value, written)`, a moment without a zone; NULL where it doesn't fit when `lenient`."""
    shape = r"^\s*"
    groups: dict[str, int] = {}
    for part, text in pieces(written):
        if text:
            shape += "".join(r"\s+" if c.isspace() else re.sub(r"([^\w])", r"\\\1", c) for c in text)
        elif part == "%":
            shape += "%"
        elif part.lstrip("-") in READ:
            shape += READ[part.lstrip("-")]
            groups[part.lstrip("-")] = len(groups) + 1
        else:
            raise unknown(part)
    shape += r"\s*$"
    held = {p: f"REGEXP_EXTRACT({value}, {as_literal(shape)}, {g})" for p, g in groups.items()}
    made = f"{'TRY_' if lenient else ''}MAKE_TIMESTAMP_NTZ({', '.join(_fields(held))})"
    said = f"CONCAT('Could not parse string \\'', LEFT({value}, 60), '\\' according to format ', {as_literal(written)})"
    stop = "NULL" if lenient else f"RAISE_ERROR({said})"
    return f"CASE WHEN {value} IS NULL THEN NULL WHEN {value} RLIKE {as_literal(shape)} THEN {made} ELSE {stop} END"


def _fields(held: dict[str, str]) -> list[str]:
    """Year, month, day, hour, minute and second, of those parts that the format has."""
    short = f"CAST({held.get('y')} AS INT)"
    year = f"({short} + CASE WHEN {short} < 69 THEN 2000 ELSE 1900 END)" if "y" in held else "1900"
    year = f"CAST({held['Y']} AS INT)" if "Y" in held else year
    name = held.get("B") or held.get("b")
    month = f"CAST({held['m']} AS INT)" if "m" in held else "1"
    if name:
        month = f"CAST(ARRAY_POSITION({MONTHS}, LOWER(LEFT({name}, 3))) AS INT)"
    hour = f"CAST({held['H']} AS INT)" if "H" in held else "0"
    if "I" in held:
        late = f"CASE WHEN LOWER({held['p']}) = 'pm' THEN 12 ELSE 0 END" if "p" in held else "0"
        hour = f"(CAST({held['I']} AS INT) % 12 + {late})"
    second = f"CAST({held.get('S', as_literal('0'))} AS DECIMAL(8,6))"
    if "f" in held:
        second += f" + CAST(RPAD({held['f']}, 6, '0') AS DECIMAL(8,0)) / 1000000"
    day, minute = (f"CAST({held[p]} AS INT)" if p in held else default for p, default in (("d", "1"), ("M", "0")))
    return [year, month, day, hour, minute, f"CAST({second} AS DECIMAL(8,6))"]


def unknown(part: str) -> EngineError:
    return EngineError(
        f"Spark can't do {'%' + part!r} of a date's format",
        hint='Use %Y, %m, %d, %H, %M, %S, or set kind = "duckdb" in [engine].',
    )


POSIX = {"alpha": r"\p{Alpha}", "digit": r"\p{Digit}", "alnum": r"\p{Alnum}", "upper": r"\p{Upper}", "lower": r"\p{Lower}",
         "space": r"\s", "punct": r"\p{Punct}", "xdigit": r"\p{XDigit}", "word": r"\w"}  # fmt: skip


def regex(pattern: str) -> str:
    """An RE2 pattern as Java reads it the same: `$` is the very end, only \\n ends a line, `[` in a class is itself."""
    out, at, within = "", 0, False
    while at < len(pattern):
        char, step = pattern[at], 1
        posix = re.match(r"\[:(\w+):\]", pattern[at:]) if within else None
        if char == "\\":
            out, step = out + pattern[at : at + 2], 2
        elif posix and posix[1] in POSIX:
            out, step = out + POSIX[posix[1]], posix.end()
        elif within:
            out += "\\" + char if char in "[&" else char
            within = char != "]"
        elif char == "[":
            head = re.match(r"\[\^?\]?", pattern[at:])
            assert head is not None
            out, step, within = out + head[0].replace("]", "\\]"), head.end(), True
        elif pattern[at : at + 4] == "(?P<":
            out, step = out + "(?<", 4
        else:
            out += r"\z" if char == "$" else char
        at += step
    return "(?du)" + out


def replacement(written: str) -> str:
    """What a match is replaced by: \\1 becomes $1, and a $ is itself."""
    return re.sub(
        r"\\(.)|\$", lambda m: "\\$" if m[0] == "$" else f"${m[1]}" if m[1].isdigit() else f"\\{m[1]}", written
    )
