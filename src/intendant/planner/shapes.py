"""How values are written, as sentences say it: date formats, separators, and codes shown by an example.

"dd.mm.yyyy" and "day.month.year" are '%d.%m.%Y', "a slash between" is '/', "like V-123456" is 'V-\\d{6}'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from intendant.language.lexer import quote_string
from intendant.planner.found import Found

__all__ = ["find_codes", "find_formats", "find_separators", "find_weekdays"]

FIELDS = {
    "yyyy": "%Y",
    "year": "%Y",
    "yy": "%y",
    "mmm": "%b",
    "mm": "%m",
    "month": "%m",
    "dd": "%d",
    "day": "%d",
    "hh": "%H",
    "hour": "%H",
    "ss": "%S",
}
FIELD = r"(?:yyyy|yy|mmm|mm|dd|year|month|day|hh|ss)"
SEPARATORS = {
    r"commas?": ",",
    r"semi-?colons?": ";",
    r"colons?": ":",
    r"(?:forward )?slash(?:es)?": "/",
    r"back-?slash(?:es)?": "\\",
    r"(?:vertical )?(?:pipe|bar)s?": "|",
    r"dash(?:es)?|hyphens?": "-",
    r"underscores?": "_",
    r"(?:blank|space)s?": " ",
    r"dots?|full stops?|periods?": ".",
    r"(?:at|@)[- ]?signs?": "@",
    r"plus(?:es)?(?= sign| between|-separated| separated)": "+",
    r"hash(?:es)?": "#",
    r"tabs?": "\t",
}
SPLITTING = re.compile(
    r"(?i)\b(?:split|separat\w*|delimit\w*|between|divid\w*|joined|part of|parts|made of|concat\w*|before|after|list)\b"
)
MONTHS = "january february march april may june july august september october november december".split()
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def find_formats(text: str) -> Iterator[Found]:
    """Formats of dates: dd.mm.yyyy, day/month/year, YYYY-MM, "written like 31.12.2025"."""
    for m in re.finditer(rf"(?<![\w%]){FIELD}(?:([-./ ]?){FIELD})+(?![\w])", text, re.I):
        said = m.group()
        if " " in said or not re.search(r"[-./]|yyyy", said, re.I):
            continue
        found = re.sub(FIELD, lambda f: FIELDS[f.group().lower()], said, flags=re.I)
        if found.count("%Y") + found.count("%y") + found.count("%m") + found.count("%d") >= 2:
            yield Found(m.start(), m.end(), (("V", quote_string(found)),), "pattern")
    for m in re.finditer(
        r"(?i)\b(?:like|as|written|format(?:ted)?|e\.g\.|such as)[ :']{1,3}(\d{1,4})([-./])(\d{1,2})"
        r"(?:\2(\d{1,4}))?\b",
        text,
    ):
        parts, sign = [p for p in (m[1], m[3], m[4]) if p], m[2]
        named = shape_of_date(parts)
        if named:
            yield Found(m.start(1), m.end(), (("V", quote_string(sign.join(named))),), "pattern")
    for m in re.finditer(r"%[YymdHMSbBj](?:[-./: ]?%[YymdHMSbBj])+", text):
        yield Found(m.start(), m.end(), (("V", quote_string(m.group())),), "pattern")


def shape_of_date(parts: list[str]) -> list[str] | None:
    """2025 11 -> %Y %m; 31 12 2025 -> %d %m %Y; None when it is no date."""
    if len(parts[0]) == 4 and len(parts) in (2, 3):
        return ["%Y", "%m", "%d"][: len(parts)]
    if len(parts) == 3 and len(parts[2]) == 4:
        first_is_day = int(parts[0]) > 12 or int(parts[1]) <= 12
        try:
            date(
                int(parts[2]), int(parts[1] if first_is_day else parts[0]), int(parts[0] if first_is_day else parts[1])
            )
        except ValueError:
            return None
        return ["%d", "%m", "%Y"] if first_is_day else ["%m", "%d", "%Y"]
    return None


def find_separators(text: str) -> Iterator[Found]:
    """Signs between the parts of a text: "by a slash", "comma separated", `by ;`."""
    if not SPLITTING.search(text):
        return
    for words, sign in SEPARATORS.items():
        for m in re.finditer(rf"(?i)\b(?:{words})\b(?: signs?)?", text):
            readings = [("V", quote_string(sign))]
            if sign in ",;":
                readings.append(("V", quote_string(f"{sign} ")))
            elif sign in "-|/":
                readings.append(("V", quote_string(f" {sign} ")))
            yield Found(m.start(), m.end(), tuple(readings), "pattern")
    for m in re.finditer(r"(?<= (?:by|on|at)) ([,;:/|_#@+-])(?=[ .]|$)", text):
        yield Found(m.start(1), m.end(1), (("V", quote_string(m[1])),), "pattern")


COUNTS = {w: i for i, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())}
CLASSES = (
    (r"(?:capital|upper[- ]?case) letters?", "[A-Z]"),
    (r"small letters?|lower[- ]?case letters?", "[a-z]"),
    (r"letters?", "[A-Z]"),
    (r"digits?|numbers?|numerals?", r"\d"),
    (r"characters?|chars?|alphanumerics?", "[A-Za-z0-9]"),
)
COUNTED = re.compile(
    r"(?i)\b(?P<n>\d{1,2}|" + "|".join(COUNTS) + r")[- ]"
    r"(?P<what>(?:capital |upper[- ]?case |small |lower[- ]?case )?(?:letters?|digits?|characters?))"
)


def find_codes(text: str) -> Iterator[Found]:
    """Shapes of codes: an example after "like", or counted letters and digits ("two letters and six digits")."""
    for m in re.finditer(
        r"(?i)\b(?:like|looks? as|such as|of the form|the shape|shaped|format(?:ted)? as|e\.g\.)[ :'\"]{1,3}"
        r"([A-Z]{1,6}[-_/]?\d{2,12}|\d{2,6}[-_/]\d{1,8}|[A-Z]{1,5}-[A-Z0-9]{2,8})\b",
        text,
    ):
        yield Found(m.start(1), m.end(1), (("V", quote_string(generalised(m[1]))),), "pattern")
    runs = list(COUNTED.finditer(text))
    if not runs:
        return
    shape, end = "", runs[0].start()
    for m in runs:
        if m.start() - end > 24:
            break
        between = (
            re.search(r"(?i)\b(?:a )?(dash|hyphen|slash|underscore|dot)\b", text[end : m.start()]) if shape else None
        )
        shape += (
            {"dash": "-", "hyphen": "-", "slash": "/", "underscore": "_", "dot": r"\."}[between[1].lower()]
            if between
            else ""
        )
        n = COUNTS.get(m["n"].lower(), int(m["n"]) if m["n"].isdigit() else 0)
        kind = next(c for words, c in CLASSES if re.fullmatch(f"(?i){words}", m["what"]))
        shape += f"{kind}{{{n}}}" if n > 1 else kind
        end = m.end()
    yield Found(
        runs[0].start(),
        end,
        (("V", quote_string(shape)), ("N", str(COUNTS.get(runs[0]["n"].lower(), runs[0]["n"])))),
        "pattern",
    )


def generalised(code: str) -> str:
    r"""V-123456 -> V-\d{6}: digits by their count, the rest as it stands."""
    return re.sub(r"\d+", lambda m: rf"\d{{{len(m.group())}}}", re.sub(r"([.\\+*?()\[\]{}^$|])", r"\\\1", code))


def find_weekdays(text: str) -> Iterator[Found]:
    """Days of the week and months as numbers, Monday 1 to Sunday 7, where they are no schedule and no date."""
    for n, day in enumerate(WEEKDAYS, 1):
        for m in re.finditer(rf"(?i)\b{day}s?\b", text):
            yield Found(m.start(), m.end(), (("N", str(n)),), "sign")
    for n, month in enumerate(MONTHS, 1):
        for m in re.finditer(rf"\b(?:{month.title()}|{month.title() if month == 'may' else month})\b", text):
            yield Found(m.start(), m.end(), (("N", str(n)),), "sign")
    for m in re.finditer(r"(?i)\bweekends?\b", text):
        yield Found(m.start(), m.end(), (("N", "6"), ("N", "7")), "sign")
