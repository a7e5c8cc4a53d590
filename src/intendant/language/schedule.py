"""Schedules as people say them, and the cron line each stands for.

daily at 00:00   weekdays at 06:00   weekly on monday at 07:30   monthly on day 1 at 05:00   every 15 minutes
hourly   cron '5 4 * * 1'
"""

from __future__ import annotations

import re

from intendant.errors import LanguageError
from intendant.language.cursor import Cursor
from intendant.language.lexer import place, quote_string

__all__ = ["DAYS", "cron_of", "read_schedule"]

DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
FIELD = re.compile(r"[0-9*,/\-A-Za-z#]+\Z")
EVERY = {"minute": 60, "hour": 24}


def read_schedule(c: Cursor) -> str:
    """The canonical text of the schedule at the cursor."""
    if c.at_word("every"):
        return _every(c)
    if c.at_word("hourly"):
        c.next()
        return "hourly"
    if c.at_word("cron"):
        c.next()
        return _written(c)
    for word in ("daily", "weekdays", "weekends"):
        if c.at_word(word):
            c.next()
            return f"{word} at {_time(c)}"
    if c.at_word("weekly"):
        c.next()
        c.word("on")
        days = [_day(c)]
        while c.at_symbol(","):
            c.next()
            days.append(_day(c))
        return f"weekly on {', '.join(days)} at {_time(c)}"
    if c.at_word("monthly"):
        c.next()
        c.word("on", "day")
        return f"monthly on day {_number(c, 1, 31, 'a day of the month (1 to 31)')} at {_time(c)}"
    raise c.fail("a schedule (daily, weekdays, weekly on DAY, monthly on day N, every N minutes, hourly, cron '...')")


def _every(c: Cursor) -> str:
    c.next()
    n = _number(c, 1, 59, "a number (1 to 59)")
    unit = c.token.lower.rstrip("s")
    if unit not in EVERY or n >= EVERY[unit]:
        raise c.fail("minutes or hours")
    c.next()
    return f"every {n} {unit}{'' if n == 1 else 's'}"


def _number(c: Cursor, low: int, high: int, label: str) -> int:
    token = c.token
    if token.kind != "number" or not token.text.isdigit() or not low <= int(token.text[:9]) <= high:
        raise c.fail(label)
    return int(c.next().text)


def _day(c: Cursor) -> str:
    if c.token.lower not in DAYS:
        raise c.fail("a day of the week")
    return c.next().lower


def _time(c: Cursor) -> str:
    c.word("at")
    hour = _number(c, 0, 23, "a time of day such as 06:30")
    c.symbol(":")
    return f"{hour:02}:{_number(c, 0, 59, 'minutes (00 to 59)'):02}"


def _written(c: Cursor) -> str:
    """A cron line in quotes."""
    from croniter import croniter  # slow to import, needed here alone

    token = c.take("string", "'minute hour day month weekday'")
    fields = token.text.split()
    if len(fields) != 5 or not all(map(FIELD.match, fields)) or not croniter.is_valid(token.text):
        line, column = place(c.text, token.at)
        raise LanguageError(
            f"{token.text!r} is no cron line",
            where=f"line {line}, column {column}",
            hint="Five fields: minute hour day month weekday, '0 6 * * 1'.",
            line=line,
            column=column,
        )
    return f"cron {quote_string(' '.join(fields))}"


def cron_of(schedule: str) -> str:
    """The cron line of a canonical schedule: "daily at 00:00" gives "0 0 * * *"."""
    if m := re.match(r"cron '(.*)'\Z", schedule):
        return m[1]
    if schedule == "hourly":
        return "0 * * * *"
    if m := re.match(r"every (\d+) (minute|hour)", schedule):
        step = "*" if m[1] == "1" else f"*/{m[1]}"
        return f"{step} * * * *" if m[2] == "minute" else f"0 {step} * * *"
    m = re.match(r"(\w+)(?: on (?:day )?(.*))? at (\d\d):(\d\d)\Z", schedule)
    if not m:
        raise LanguageError(f"{schedule!r} is no schedule")
    clock = f"{int(m[4])} {int(m[3])}"
    if m[1] == "monthly":
        return f"{clock} {m[2]} * *"
    days = {"daily": "*", "weekdays": "1-5", "weekends": "0,6"}.get(m[1])
    if days is None:
        days = ",".join(str(DAYS.index(d)) for d in m[2].split(", "))
    return f"{clock} * * {days}"
