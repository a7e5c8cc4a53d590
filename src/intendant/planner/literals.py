"""Literals of a sentence: numbers in digits and words, quoted text, paths, dates, lengths of time, rates, patterns.

Each is found by one function of (text) -> spans; where two overlap the earlier function of `FINDERS` wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from intendant.language.lexer import quote_string
from intendant.planner.found import Found
from intendant.planner.ranges import MONTH, find_ranges, month_of
from intendant.planner.schedules import ORDINALS, find_clocks, find_crons, find_schedules
from intendant.planner.shapes import EMAIL, find_codes, find_formats, find_separators, find_weekdays, format_of

__all__ = ["Found", "find_literals"]


ONES = {
    w: i
    for i, w in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen""".split()
    )
}
TENS = {w: 10 * (i + 2) for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())}
SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "k": 1000,
    "m": 10**6,
    "mio": 10**6,
    "mn": 10**6,
    "bn": 10**9,
    "grand": 1000,
}
NUMBER_WORD = "|".join([*ONES, *TENS, "hundred", "thousand", "million", "billion", "dozen"])
UNITS = {
    "s": "second",
    "sec": "second",
    "secs": "second",
    "second": "second",
    "min": "minute",
    "mins": "minute",
    "minute": "minute",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "hour": "hour",
    "d": "day",
    "day": "day",
    "wk": "week",
    "wks": "week",
    "week": "week",
    "fortnight": "fortnight",
    "mo": "month",
    "mos": "month",
    "month": "month",
    "quarter": "quarter",
    "y": "year",
    "yr": "year",
    "yrs": "year",
    "year": "year",
}
UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|wks?|fortnights?|months?|quarters?|years?|yrs?)"
DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:[ ']\d{3})+(?![\d\w])|\d+\.\d+|\d+"
SIGN = r"(?:(?<![\w)])-\s?|minus |negative )?"
PATTERNS: tuple[tuple[str, str], ...] = (
    (r"(?:a |an )?(?:valid|proper|correct|well[- ]formed|real) e-?mails?(?: address(?:es)?)?", EMAIL),
    (r"(?:look like|looks like|be|being|is|are) (?:an? )?e-?mail(?:s| address(?:es)?)?", EMAIL),
    (r"only digits|digits only|all digits|numeric only|nothing but digits", "[0-9]+"),
    (r"(?:two|2)[- ](?:letter|character|char) codes?", "[A-Z]{2}"),
    (r"(?:three|3)[- ](?:letter|character|char) codes?", "[A-Z]{3}"),
)


def plain_number(text: str) -> str:
    """10,000 -> 10000; 1.50 -> 1.5; digits only otherwise."""
    n = re.sub(r"[, ']", "", text)
    return re.sub(r"\.?0+$", "", n) if "." in n else str(int(n))


def times(number: str, scale: int) -> str:
    value = float(number) * scale
    return str(int(value)) if value == int(value) else repr(value)


def find_quoted(text: str) -> Iterator[Found]:
    for m in re.finditer(r"(?<!\w)'([^']+)'(?!\w)|\"([^\"]+)\"|`([^`]+)`|“([^”]+)”|‘([^’]+)’|«([^»]+)»", text):
        inner = next(g for g in m.groups() if g is not None)
        kind = "path" if re.search(r"\.(csv|tsv|json|jsonl|ndjson|parquet)(\.gz)?$", inner) else "quoted"
        family = "P" if kind == "path" else "V"
        shape = format_of(inner)
        shown = (("V", quote_string(shape)),) if shape else ()
        yield Found(m.start(), m.end(), ((family, quote_string(inner)), *shown), kind)


def find_paths(text: str) -> Iterator[Found]:
    for m in re.finditer(r"(?:[\w.~-]*/)*[\w-]+\.(?:csv|tsv|jsonl?|ndjson|parquet)(?:\.gz)?\b", text, re.I):
        yield Found(m.start(), m.end(), (("P", quote_string(m.group())),), "path")


def find_patterns(text: str) -> Iterator[Found]:
    for words, regex in PATTERNS:
        for m in re.finditer(rf"\b(?:{words})\b", text, re.I):
            yield Found(m.start(), m.end(), (("V", quote_string(regex)),), "pattern")


def find_rates(text: str) -> Iterator[Found]:
    what = r"(?P<what>requests?|reqs?|calls?|queries|hits|api calls|rows?|records?|messages?|events?|lines)"
    each = r"(?:per|a|an|each|every|/)\s*(?P<each>\d+\s*)?(?P<unit>s|sec|second|m|min|minute|h|hr|hour|day)s?\b"
    for m in re.finditer(rf"(?P<n>{DIGITS}|{NUMBER_WORD})(?P<k>\s?k|\s?thousand)?\s*{what}\s*{each}", text, re.I):
        n = number_value(m["n"])
        if n is None:
            continue
        kind = "rows" if re.match("row|record|message|event|line", m["what"], re.I) else "requests"
        unit = {"s": "second", "m": "minute", "h": "hour", "d": "day"}[m["unit"][0].lower()]
        many = f" {m['each'].strip()} {unit}s" if m["each"] and m["each"].strip() != "1" else f" {unit}"
        yield Found(m.start(), m.end(), (("H", f"{times(n, 1000) if m['k'] else n} {kind} per{many}"),), "rate")
    for m in re.finditer(
        r"\b(?P<n>\d+) ?(?:(?:per|an?|each|/) ?(?P<unit>second|sec|minute|min|hour)|/ ?(?P<short>s))\b", text, re.I
    ):
        unit = {"s": "second", "m": "minute", "h": "hour"}[(m["unit"] or m["short"])[0].lower()]
        yield Found(m.start(), m.end(), (("H", f"{m['n']} requests per {unit}"), ("N", m["n"])), "rate")
    for m in re.finditer(
        rf"\b(?P<n>{DIGITS}) (?P<what>requests?|calls?|rows?|records?|messages?|events?) in (?:one|a|1|any) (?P<unit>second|minute|hour)\b",
        text,
        re.I,
    ):
        kind = "requests" if m["what"][:3].lower() in ("req", "cal") else "rows"
        yield Found(m.start(), m.end(), (("H", f"{plain_number(m['n'])} {kind} per {m['unit'].lower()}"),), "rate")
    for m in re.finditer(r"\b(?P<n>\d+)\s*(?P<what>rps|qps|rpm)\b", text, re.I):
        unit = "minute" if m["what"].lower() == "rpm" else "second"
        yield Found(m.start(), m.end(), (("H", f"{m['n']} requests per {unit}"),), "rate")


def number_value(text: str) -> str | None:
    """The number that digits or one number word stand for."""
    if re.fullmatch(DIGITS, text):
        return plain_number(text)
    value = ONES.get(text.lower(), TENS.get(text.lower()))
    if value is None:
        value = {"hundred": 100, "thousand": 1000, "million": 10**6, "dozen": 12}.get(text.lower())
    return None if value is None else str(value)


def iso(y: int, m: int, d: int = 1) -> str | None:
    try:
        return f"date '{date(y, m, d).isoformat()}'"
    except ValueError:
        return None


def period(start: str | None, end: str | None) -> tuple[tuple[str, str], ...]:
    return (("U", start), ("U", end)) if start and end else ()


def find_dates(text: str) -> Iterator[Found]:
    def found(m: re.Match[str], readings: tuple[tuple[str, str], ...], kind: str = "date") -> Iterator[Found]:
        if readings:
            yield Found(m.start(), m.end(), readings, kind)

    def day(m: re.Match[str], y: int, mo: int, d: int) -> Iterator[Found]:
        at = iso(y, mo, d)
        return found(m, (("U", at),) if at else ())

    for m in re.finditer(r"\b(\d{4})-(\d\d?)-(\d\d?)[ T](\d\d?):(\d\d)(?::(\d\d))?\b", text):
        if iso(int(m[1]), int(m[2]), int(m[3])):
            stamp = f"{m[1]}-{int(m[2]):02}-{int(m[3]):02} {int(m[4]):02}:{m[5]}:{m[6] or '00'}"
            yield from found(m, (("U", f"timestamp '{stamp}'"),))
    for m in re.finditer(r"\b(\d{4})[-/.](\d\d?)[-/.](\d\d?)\b", text):
        yield from day(m, int(m[1]), int(m[2]), int(m[3]))
    for m in re.finditer(rf"\b({MONTH}) (\d\d?)(?:st|nd|rd|th)?,? (\d{{4}})\b", text, re.I):
        yield from day(m, int(m[3]), month_of(m[1]), int(m[2]))
    for m in re.finditer(rf"\b(\d\d?)(?:st|nd|rd|th)?(?: of)? ({MONTH}),? (\d{{4}})\b", text, re.I):
        yield from day(m, int(m[3]), month_of(m[2]), int(m[1]))
    for m in re.finditer(r"\b(\d\d?)\.(\d\d?)\.(\d{4})\b", text):
        yield from day(m, int(m[3]), int(m[2]), int(m[1]))
    for m in re.finditer(r"\b(\d\d?)/(\d\d?)/(\d{4})\b", text):
        a, b, y = int(m[1]), int(m[2]), int(m[3])
        readings = tuple(("U", t) for t in (iso(y, a, b), iso(y, b, a)) if t)
        yield from found(m, tuple(dict.fromkeys(readings)))
    for m in re.finditer(rf"\b(?:the )?({'|'.join(ORDINALS)}) (?:of )?({MONTH}),? (\d{{4}})\b", text, re.I):
        yield from day(m, int(m[3]), month_of(m[2]), ORDINALS[m[1].lower()])
    for m in re.finditer(rf"\b({MONTH}),? (?:of )?(\d{{4}})\b", text, re.I):
        y, mo = int(m[2]), month_of(m[1])
        yield from found(m, period(iso(y, mo), iso(y + mo // 12, mo % 12 + 1)), "period")
    for m in re.finditer(r"\b(?:q([1-4])|([1-4])q)[ -/]?(\d{4})\b", text, re.I):
        q, y = int(m[1] or m[2]), int(m[3])
        yield from found(m, period(iso(y, 3 * q - 2), iso(y + q // 4, (3 * q) % 12 + 1)), "period")
    year = r"\b(?:(?<=in )|(?<=since )|(?<=during )|(?<=of )|(?<=before )|(?<=after )|(?<=until )|(?<=from )|(?<=year )|(?<=for ))"
    for m in re.finditer(rf"{year}((?:19|20)\d\d)\b(?!\s*(?:rows|records|entries|lines|messages|,\d))", text, re.I):
        yield from found(m, (*period(iso(int(m[1]), 1), iso(int(m[1]) + 1, 1)), ("N", m[1])), "period")
    yield from relative_dates(text)


def relative_dates(text: str) -> Iterator[Found]:
    today, month, year = "today()", "start_of('month', today())", "start_of('year', today())"
    week = "start_of('week', today())"
    table: tuple[tuple[str, str, str], ...] = (
        (r"the day before yesterday", "add_days(today(), -2)", "add_days(today(), -1)"),
        (r"yesterday", "add_days(today(), -1)", today),
        (r"today|this day", today, "add_days(today(), 1)"),
        (r"(?:last|previous|past|prior) month(?!s)", f"start_of('month', add_days({month}, -1))", month),
        (r"(?:this|current) month", month, f"start_of('month', add_days({month}, 32))"),
        (r"(?:last|previous|prior) week(?!s)", f"add_days({week}, -7)", week),
        (r"(?:this|current) week", week, f"add_days({week}, 7)"),
        (r"(?:last|previous|prior) year(?!s)", f"start_of('year', add_days({year}, -1))", year),
        (r"(?:this|current) year", year, f"start_of('year', add_days({year}, 367))"),
    )
    for words, start, end in table:
        for m in re.finditer(rf"\b(?:{words})\b(?!')", text, re.I):
            unit = re.search(r"(month|week|year)$", m.group().lower())
            length = (("D", f"1 {unit[1]}"),) if unit and not m.group().lower().startswith(("this", "current")) else ()
            yield Found(m.start(), m.end(), (("U", start), ("U", end), *length), "period")


def find_durations(text: str) -> Iterator[Found]:
    amount = rf"(?P<n>{DIGITS}|{NUMBER_WORD}|a couple of|a few|half an?|an?|one)"
    for m in re.finditer(
        rf"\b{amount}(?:[- ]|(?<=\d))(?P<unit>{UNIT}|(?<=\d)[hds]|(?<=\d )s)\b(?! of data)", text, re.I
    ):
        word, unit = m["n"].lower(), m["unit"].lower()
        unit = UNITS.get(unit) or UNITS[unit.rstrip("s")]
        if word.startswith("half"):
            halves = {"hour": "30 minutes", "day": "12 hours", "year": "6 months", "minute": "30 seconds"}
            if unit in halves:
                yield Found(m.start(), m.end(), (("D", halves[unit]),), "duration")
            continue
        if word == "a few":
            continue
        n = "2" if word.startswith("a couple") else "1" if word in ("a", "an") else number_value(word)
        if n is None or "." in n:
            continue
        if unit == "fortnight":
            n, unit = str(2 * int(n)), "week"
        readings = (("D", f"{n} {unit}{'' if n == '1' else 's'}"),) + ((("N", n),) if word not in ("a", "an") else ())
        same = converted(int(n), unit)
        yield Found(m.start(), m.end(), (*readings, *(("N", x) for x, _ in same)), "duration", same)
    for m in re.finditer(r"\b(?:last|past|previous|prior) (hour|day|week|month|quarter|year)\b(?!')", text, re.I):
        at = m.start(1)
        yield Found(at, m.end(), (("D", f"1 {m[1].lower()}"),), "duration")


SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def converted(n: int, unit: str) -> tuple[tuple[str, str], ...]:
    """The same length in the smaller units that columns are kept in: 2 hours are 120 minutes and 7200 seconds."""
    if unit not in SECONDS:
        return ()
    seconds = n * SECONDS[unit]
    out = [(seconds, "seconds")] if unit in ("minute", "hour") else []
    out += [(seconds // 60, "minutes")] if unit in ("hour", "day") else []
    out += [(seconds // 3600, "hours")] if unit == "day" else []
    out += [(seconds * 1000, "milliseconds")] if unit in ("second", "minute") else []
    return tuple((str(x), name) for x, name in out)


HALVED = re.compile(
    rf"(?i)\b(?:(?P<whole>{DIGITS}|{NUMBER_WORD}) and a half|(?P<part>half|(?:a |one )?quarter)(?: of)?(?: an?)?)"
    r" (?P<scale>hundred|thousand|million|billion|dozen|grand)\b"
)
"""half a million, a quarter of a million, two and a half thousand"""


def find_halved(text: str) -> Iterator[Found]:
    for m in HALVED.finditer(text):
        whole = number_value(m["whole"]) if m["whole"] else "0"
        part = "0.25" if (m["part"] or "half").lower().endswith("quarter") else "0.5"
        scale = 12 if m["scale"].lower() == "dozen" else SCALES[m["scale"].lower()]
        yield Found(m.start(), m.end(), (("N", f"{(float(whole or 0) + float(part)) * scale:.10g}"),), "number")


def find_numbers(text: str) -> Iterator[Found]:
    for m in re.finditer(
        rf"(?P<sign>{SIGN})[$€£]?(?P<n>{DIGITS})(?P<scale>\s?(?:k|m|mio|mn|bn|thousand|million|billion|hundred|grand)\b)?"
        r"(?P<pct>\s?(?:%|percent\b|per cent\b))?(?!\w)",
        text,
        re.I,
    ):
        if m.start("n") and text[m.start("n") - 1].isalnum():
            continue
        n = plain_number(m["n"])
        if m["scale"]:
            n = times(n, SCALES[m["scale"].strip().lower()])
        n = "-" + n if m["sign"] else n
        near = text[max(m.start() - 30, 0) : m.end() + 30]
        yield Found(
            m.start(), m.end(), of_hundred(n, near) if m["pct"] else (("N", n),), "percent" if m["pct"] else "number"
        )
    for m in re.finditer(
        rf"\b(?:(?:a|an) )?(?:(?:{NUMBER_WORD})(?:[- ](?:and )?(?={NUMBER_WORD}))?)+\b(?P<pct>\s?(?:%|percent\b|per cent\b))?",
        text,
        re.I,
    ):
        counted = spoken(m.group().lower().removesuffix(m["pct"] or ""))
        if counted is not None:
            yield Found(m.start(), m.end(), (("N", str(counted)),), "number")
    for m in re.finditer(r"\bv\.?(\d{1,6})\b", text):
        yield Found(m.start(), m.end(), (("N", m[1]),), "version")
    for words, value in ((r"non-?negative|not negative|never negative|negative|positive|above zero|below zero", "0"),):
        for m in re.finditer(rf"\b(?:{words})\b", text, re.I):
            yield Found(m.start(), m.end(), (("N", value),), "sign")


LESS = re.compile(
    r"(?i)\b(?:less|off|lower|below|under|discount\w*|reduc\w*|decreas\w*|cut|cheaper|minus|drop\w*|lost|lose|fell|fall\w*)\b"
)
MORE = re.compile(
    r"(?i)\b(?:more|higher|above|over|rais\w*|increas\w*|plus|add\w*|up|surcharge|vat|tax|grew|grow\w*|rose|markup)\b"
)


def of_hundred(n: str, near: str) -> tuple[tuple[str, str], ...]:
    """15 % is 15 or 0.15; "15 % less" 0.85 as well, "15 % more" 1.15. `near` is the text around."""
    part = float(n) / 100
    out = [n, repr(part) if part else "0"]
    out += [f"{1 - part:.10g}"] if LESS.search(near) else []
    out += [f"{1 + part:.10g}"] if MORE.search(near) else []
    return tuple(("N", x) for x in out)


def spoken(words: str) -> int | None:
    """two hundred and fifty -> 250. A lone `one` counts for nothing: it is a pronoun more often than a number."""
    parts = re.findall(r"[a-z]+", words)
    if parts in (["one"], ["a", "one"]) or not parts:
        return None
    total = current = 0
    for p in parts:
        if p in ("a", "an", "and"):
            continue
        if p in ONES or p in TENS:
            current += ONES.get(p, TENS.get(p, 0))
        elif p == "dozen":
            current = max(current, 1) * 12
        elif p == "hundred":
            current = max(current, 1) * 100
        else:
            total, current = total + max(current, 1) * SCALES[p], 0
    return total + current


FINDERS: tuple[Callable[[str], Iterator[Found]], ...] = (
    find_crons,
    find_quoted,
    find_paths,
    find_formats,
    find_patterns,
    find_codes,
    find_separators,
    find_rates,
    find_schedules,
    find_ranges,
    find_dates,
    find_clocks,
    find_halved,
    find_durations,
    find_numbers,
    find_weekdays,
)


def find_literals(text: str) -> list[Found]:
    """All literals in order of appearance, none overlapping."""
    out: list[Found] = []
    names = [m.span() for m in re.finditer(r"(?<![\w/.'\"])[^\W\d]\w*_\w+(?![\w/]|\.\w)", text)]
    for finder in FINDERS:
        for f in sorted(finder(text), key=lambda f: (f.at, -f.end)):
            cut = any(f.at < b and a < f.end and not (f.at < a and b < f.end) for a, b in names)
            if f.readings and not cut and all(f.end <= o.at or f.at >= o.end for o in out):
                out.append(f)
    return sorted(out, key=lambda f: f.at)
