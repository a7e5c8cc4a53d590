"""How values are written, as sentences say it: date formats, separators, and codes shown by an example.

"dd.mm.yyyy" and "day.month.year" are '%d.%m.%Y', "a slash between" is '/', "like V-123456" is 'V-\\d{6}'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from intendant.language.lexer import quote_string
from intendant.planner.found import Found

__all__ = ["EMAIL", "find_codes", "find_formats", "find_separators", "find_weekdays", "format_of", "hints"]

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
    r"(?i)\b(?:split|separat\w*|delimit\w*|between|divid\w*|joined|part of|parts|made of|concat\w*|before|after|list|cut|break|broken)\b"
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
        r"(?i)\b(?:like|as|in|written|form|format(?:ted)?|style|e\.g\.|such as)[ :']{1,3}(?=\w*\d)([\w./:-]+(?: [\w./:-]+){0,2})"
        r"|(?=\w*\d)\b([\w./:-]+(?: \d{4,6})?)(?=[- ](?:like|style))",
        text,
    ):
        said, at = m[1] or m[2], m.start(1) if m[1] else m.start(2)
        words = said.split(" ")
        for n in range(len(words), 0, -1):
            example = " ".join(words[:n]).rstrip(".:,")
            if (shape := format_of(example)) is not None:
                yield Found(at, at + len(example), (("V", quote_string(shape)),), "pattern")
                break
    for m in re.finditer(r"%[YymdHMSbBj](?:[-./: ]?%[YymdHMSbBj])+", text):
        yield Found(m.start(), m.end(), (("V", quote_string(m.group())),), "pattern")


MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
TIMES = ((r"\d\d:\d\d:\d\d", "%H:%M:%S"), (r"\d\d:\d\d", "%H:%M"), (r"\d{6}", "%H%M%S"), (r"\d{4}", "%H%M"))
DATES = (
    (r"(?:19|20)\d\d([-./])\d\d?\1\d\d?", "%Y{0}%m{0}%d"),
    (r"(?:19|20)\d\d([-./])(?:0?[1-9]|1[0-2])", "%Y{0}%m"),
    (r"(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d", "%Y%m%d"),
    (r"(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|1[0-2])\1(?:19|20)\d\d", "%d{0}%m{0}%Y"),
    (r"(?:0?[1-9]|1[0-2])([-./])(?:1[3-9]|2\d|3[01])\1(?:19|20)\d\d", "%m{0}%d{0}%Y"),
    (r"(?:0?[1-9]|[12]\d|3[01])([-./])(?:0?[1-9]|1[0-2])\1\d\d", "%d{0}%m{0}%y"),
    (rf"\d\d?([- ./]){MONTH}\1(?:19|20)\d\d", "%d{0}%b{0}%Y"),
    (rf"{MONTH}([- ./])\d\d?,?\1(?:19|20)\d\d", "%b{0}%d{0}%Y"),
)


def format_of(example: str) -> str | None:
    """The format of a date shown by an example: 31.12.2025 is %d.%m.%Y, '20261105 143059' %Y%m%d %H%M%S."""
    for date_shape, date_format in DATES:
        m = re.match(rf"(?i){date_shape}", example)
        if m is None:
            continue
        found, rest = date_format.format(m[1] if m.re.groups else ""), example[m.end() :]
        if not rest:
            return found
        for shape, time_format in TIMES:
            if rest[0] in " T" and re.fullmatch(shape, rest[1:]):
                return f"{found}{rest[0]}{time_format}"
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


EMAIL = "[^@ ]+@[^@ ]+[.][^@ ]+"
UNSAID = {
    " ": "space",
    ",": "comma",
    ", ": "comma space",
    "-": "dash",
    "_": "underscore",
    "/": "slash",
    "@": "at",
    ":": "colon",
}
"""Signs that may stand between the parts of a text when the sentence names none."""
PARTING = re.compile(
    r"(?i)\b(?:split\w*|separate\w*|(?:break|broken|pull|take|tear) (?:\w+ ){0,2}(?:up|apart|into)|part\w* of)\b"
)
FORMED = re.compile(
    r"(?i)\b(?:valid|proper\w*|correct\w*|looks?|real|format\w*|pattern|match\w*|well[- ]formed|shape\w*|regex|regular)\b"
)


DECIMAL = re.compile(
    r"(?i)\bdecimal (?:comma|sign|point|mark)|comma (?:as|for|is|instead)|\d\.\d{3},\d|\d,\d\d\b|thousands?[- ](?:point|dot|sep)"
)
REMOVED = re.compile(
    r"(?i)\b(?:remov\w+|strip\w*|tak\w+|without|rid|throw\w*|drop\w*|delet\w+|cut\w*|eras\w+|clean\w*|replac\w+|nothing|no more|gone)\b"
)
SIGNED = re.compile(
    r"(?i)\b(?:dash\w*|hyphens?|spaces?|blanks?|slash\w*|dots?|periods?|commas?|colons?|brackets?|parenthes[ie]s|char\w*|signs?|symbols?"
    r"|prefix\w*|suffix\w*|letters?|zero\w*|quotes?|underscores?|whitespace|punctuation|apostrophes?|hash\w*|plus\w*|units?)\b"
    r"|(['\"])[^\w\s]{1,2}\1|['\"](?:EUR|USD|kg|km|ml|mm|cm|g|l|m)['\"]"
)
AGES = re.compile(r"(?i)\bin years\b|\byears (?:of|since)\b|\bhow old\b|\bage\b|\btenure\b|\bseniority\b")
Hint = tuple[str, str, tuple[str, ...]]


def hints(text: str, found: Iterable[Found]) -> list[Hint]:
    """What is meant without being said, (family, text, words that show it): separators of a split, the shape of an
    address, signs of a number kept as text, the days of a year.
    """
    known = any(f.kind == "pattern" for f in found)
    out: list[Hint] = []
    if PARTING.search(text) and not known:
        out += [("V", quote_string(sign), tuple(word.split())) for sign, word in UNSAID.items()]
    if re.search(r"(?i)\be-?mails?\b|_email|\bmail\b", text) and FORMED.search(text) and not known:
        out.append(("V", quote_string(EMAIL), ("email", "pattern")))
    if DECIMAL.search(text):
        out += [("V", quote_string(sign), (word,)) for sign, word in ((",", "comma"), (".", "point"), ("", "nothing"))]
    elif REMOVED.search(text) and SIGNED.search(text):
        out.append(("V", quote_string(""), ("nothing",)))
    if AGES.search(text):
        out.append(("N", "365.25", ("year", "days")))
    return out


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
    for m in re.finditer(
        rf"\b([A-Z]{{1,6}}[-_/]?) ?(?:and|plus|then|followed by|\+) (?:(\d{{1,2}}|{'|'.join(COUNTS)}) )?digits\b", text
    ):
        count = m[2] and COUNTS.get(m[2], m[2])
        shape = rf"{generalised(m[1])}\d" + (f"{{{count}}}" if count else "+")
        yield Found(m.start(), m.end(), (("V", quote_string(shape)),), "pattern")
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
