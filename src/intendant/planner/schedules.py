"""Recurrences as people say them, to the schedules of the intent language: "nightly", "every weekday at 6", "twice a day".

A recurrence without a time of day runs at midnight; "every morning" at six, "every evening" at six in the evening.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intendant.language.lexer import quote_string
from intendant.planner.found import Found

__all__ = ["ORDINALS", "find_clocks", "find_crons", "find_schedules"]

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
DAY = r"(?:(?:sun|mon|tues|wednes|thurs|fri|satur)days?|(?:sun|mon|tues?|wed|thurs?|thu|fri|sat)s?\b)"
CLOCK = (
    r"(?:midnight|noon|midday|half past (?:\d\d?|[a-z]+)|quarter (?:past|to) (?:\d\d?|[a-z]+)"
    r"|\d\d?(?:[:.h]\d\d)?\s?(?:am|pm|a\.m\.?|p\.m\.?)|\d\d?[:.h]\d\d(?:\s?(?:hours|hrs|h|utc|o'clock))?"
    r"|\d\d?\s?o'?\s?clock|\d\d?(?:\s?h\b)?|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b(?: o'clock)?"
    r"(?:\s?(?:am|pm|a\.m\.?|p\.m\.?))?)(?: in the (?:morning|evening|afternoon|night)| at night)?(?: sharp)?"
)
STRICT = (
    r"(?:(?:half past|quarter past|quarter to) [a-z0-9]+(?: in the (?:morning|evening|afternoon))?|midnight|noon|midday"
    r"|\d\d?[:.]\d\d(?:\s?(?:am|pm))?|\d\d?\s?(?:am|pm|a\.m\.?|p\.m\.?))(?!\w)"
)
AT = rf"(?:,? ?(?:at|@|around|by|always at) ?(?P<clock>{CLOCK})|,? (?P<bare>{STRICT}))"
NUMBERS = {w: i + 1 for i, w in enumerate("one two three four five six seven eight nine ten eleven twelve".split())}
ORDINALS = {w: i + 1 for i, w in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth".split())}
NTH = r"(?P<nth>\d\d?(?:st|nd|rd|th)?|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last)"


def clock(text: str | None, default: str = "00:00") -> str:
    """6, 6am, half past six, 18:30, noon -> 06:00, 06:00, 06:30, 18:30, 12:00."""
    if not text:
        return default
    t = text.lower().strip()
    if "midnight" in t:
        return "00:00"
    if t.startswith(("noon", "midday")):
        return "12:00"
    m = re.search(r"(\d\d?)(?:[:.h](\d\d))?", t)
    words = re.findall(r"[a-z]+", t)
    hour = int(m[1]) if m else next((NUMBERS[w] for w in words if w in NUMBERS), 0)
    minute = int(m[2]) if m and m[2] else 0
    if t.startswith("half past"):
        minute = 30
    elif t.startswith("quarter past"):
        minute = 15
    elif t.startswith("quarter to"):
        hour, minute = hour - 1, 45
    late = re.search(r"\dpm|\d\s?p\.?m|\bpm\b|\bp\.m|evening|afternoon|at night|the night", t)
    early = re.search(r"am\b|a\.m|morning", t)
    if late and hour < 12 and not (re.search("night", t) and hour < 6):
        hour += 12
    if early and hour == 12:
        hour = 0
    return f"{hour:02}:{minute:02}" if 0 <= hour < 24 and minute < 60 else default


def day_name(text: str) -> str:
    return next(d for d in DAYS if d.startswith(text.lower()[:3]))


def days(text: str) -> str:
    found = [day_name(d) for d in re.findall(DAY, text, re.I)]
    return ", ".join(dict.fromkeys(found))


def recurrences(m: re.Match[str]) -> str:
    """The schedule a match of RECURRENCE stands for; "" when it is none."""
    g = {k: v for k, v in m.groupdict().items() if v is not None}
    word = m.group().lower()
    at = next((v for k, v in g.items() if k.startswith("clock")), None)
    if "n" in g or "half" in g:
        return every(g)
    if "twice" in g:
        return {"day": "every 12 hours", "hour": "every 30 minutes"}.get(g["twice"].lower(), "")
    if "hourly" in g:
        return "hourly"
    if "minutely" in g:
        return "every 1 minute"
    if "weekday" in g:
        return f"weekdays at {clock(at)}"
    if "weekend" in g:
        return f"weekends at {clock(at)}"
    if "named" in g:
        default = "18:00" if re.search("evening", word) else "06:00" if re.search("morning", word) else "00:00"
        return f"weekly on {days(g['named'])} at {clock(at, default)}"
    if "weekly" in g:
        return f"weekly on {days(g.get('wday') or 'monday')} at {clock(at)}"
    if "monthly" in g:
        return f"monthly on day {nth(g.get('nth'))} at {clock(at)}" if g.get("nth") != "last" else ""
    default = "18:00" if "evening" in word else "06:00" if "morning" in word else "12:00" if "noon" in word else "00:00"
    return f"daily at {clock(at, default)}"


def every(g: dict[str, str]) -> str:
    if "half" in g:
        return "every 30 minutes" if "hour" in g["half"].lower() else "every 15 minutes"
    n = (
        int(g["n"])
        if g["n"].isdigit()
        else NUMBERS.get(
            g["n"].lower(), {"fifteen": 15, "twenty": 20, "thirty": 30, "other": 2, "second": 2}.get(g["n"].lower(), 0)
        )
    )
    unit = g["unit"].lower()
    if unit.startswith("m") and 1 <= n < 60:
        return f"every {n} minute{'' if n == 1 else 's'}"
    if unit.startswith("m") and n % 60 == 0 and n:
        n, unit = n // 60, "hour"
    if unit.startswith("h") and n == 1:
        return "hourly"
    if unit.startswith("h") and n == 24:
        return "daily at 00:00"
    return f"every {n} hours" if unit.startswith("h") and 1 <= n < 24 else ""


def nth(text: str | None) -> int:
    if not text:
        return 1
    digits = re.match(r"\d+", text)
    return int(digits[0]) if digits else ORDINALS.get(text.lower(), 1)


EVERY = r"(?:every|each|ev\.?|once (?:an?|per|every)|per|all)"


def at(i: int) -> str:
    """The time of day of one branch; a pattern can't use a group's name twice."""
    return AT.replace("<clock>", f"<clock{i}>").replace("<bare>", f"<clockb{i}>")


RECURRENCE = re.compile(
    rf"(?:(?:at|@) (?P<clock0>{CLOCK}),? (?:on )?)?(?<![\w])(?:"
    rf"{EVERY} (?P<n>\d+|one|two|three|four|five|six|ten|twelve|fifteen|twenty|thirty|other) ?(?P<unit>minutes?|mins?|hours?|hrs?|h|m)\b"
    rf"|(?P<half>{EVERY} (?:half(?: an)? hour|30 ?min|quarter(?: of an)? hour)|half[- ]hourly|every quarter of an hour)"
    rf"|(?P<twice>twice (?:a|per|an) (?=day|hour)|twice daily)(?:day|hour)?"
    rf"|(?P<hourly>hourly|hrly|{EVERY} (?:full |single )?hour\b|on the hour)"
    rf"|(?P<minutely>{EVERY} minute\b)"
    rf"|(?:{EVERY} |on |(?:in the morning )?on )?(?P<weekday>(?:weekdays?|working days?|business days?|workdays?"
    rf"|(?:every|each) day (?:except|but|apart from|without)(?: for)?(?: on)?(?: the)? weekends?"
    rf"|monday (?:to|through|till|until) friday|mon ?- ?fri))\b(?: (?:morning|evening|night)s?)?{at(1)}?"
    rf"|(?:{EVERY} |on (?:the )?|at )?(?P<weekend>weekends?)\b{at(2)}?"
    rf"|(?:weekly,? on |once a week,? on |weekly,? |every week on |each week on |{EVERY} |on "
    rf"|(?=(?:sun|mon|tues|wednes|thurs|fri|satur)days))"
    rf"(?P<named>{DAY}(?:(?:,| and|, and| &)? (?:on )?{DAY})*)\b(?: (?:morning|evening|night)s?)?{at(3)}?"
    rf"|(?P<weekly>weekly|{EVERY} week\b)(?:,? on (?P<wday>{DAY}))?{at(4)}?"
    rf"|(?P<monthly>monthly|(?:{EVERY} month)\b)(?:,? on (?:the |day )?{NTH}(?: day)?)?{at(5)}?"
    rf"|(?P<daily>nightly|daily|overnight|{EVERY} (?:single )?(?:day|night|morning|evening|noon|afternoon)\b|once daily"
    rf"|(?:at|every) midnight)(?: basis)?{at(6)}?"
    rf")(?!\w)",
    re.I,
)
NTH_OF_MONTH = re.compile(
    rf"(?:on |at )?(?:the )?{NTH}(?: day)? of (?:(?:the|each|every|a|any) )?month(?:[:,]? ?{at(7)})?"
    rf"|(?:on )?day (?P<day>\d\d?)(?: of)? (?:each |every |the )?month(?:ly)?(?:[:,]? ?{at(8)})?",
    re.I,
)
CRON = re.compile(
    r"\bcron:? ?['\"`]?((?:[\d*/,\-]+ ){4}[\d*/,\-]+)['\"`]?|(?<![\w*/])(?=[\d/,\- ]*\*)((?:[\d*/,\-]+ ){4}[\d*/,\-]+)(?![\w*/])",
    re.I,
)


def find_schedules(text: str) -> Iterator[Found]:
    """All recurrences of the text."""
    for m in NTH_OF_MONTH.finditer(text):
        if m["nth"] != "last":
            time = clock(next((v for k, v in m.groupdict().items() if v and k.startswith("clock")), None))
            said = f"monthly on day {nth(m['nth'] or m['day'])} at {time}"
            yield Found(m.start(), m.end(), (("K", said),), "schedule")
    for m in RECURRENCE.finditer(text):
        twice = m.groupdict().get("twice")
        said = (
            "every 12 hours"
            if twice and "hour" not in text[m.start() : m.end()].lower()
            else ("every 30 minutes" if twice else recurrences(m))
        )
        if said:
            yield Found(m.start(), m.end(), (("K", said),), "schedule")


def find_crons(text: str) -> Iterator[Found]:
    """Cron lines."""
    for m in CRON.finditer(text):
        yield Found(m.start(), m.end(), (("K", f"cron {quote_string(m[1] or m[2])}"),), "schedule")


def find_clocks(text: str) -> Iterator[Found]:
    """A time of day by itself, read as daily: "refresh it at 4am"."""
    for m in re.finditer(
        r"(?<![\w:.-])(?:at |@ ?)?(?P<clock>\d\d?:\d\d(?:\s?(?:am|pm))?|\d\d?\s?(?:am|pm)|midnight)(?![\w:])",
        text,
        re.I,
    ):
        yield Found(m.start(), m.end(), (("K", f"daily at {clock(m['clock'])}"),), "schedule")
