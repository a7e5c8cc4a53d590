"""Periods that a sentence says with one year or month for both ends: "1 to 31 May 2025", "from March to June", "H1 2024".

Each has two readings as points in time, its start and the moment after its end; one given in days has its last day as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from intendant.planner.found import Found

__all__ = ["MONTH", "MONTHS", "find_ranges", "month_of"]

MONTHS = {
    m: i + 1
    for i, m in enumerate(
        """january february march april may june july august september october november
    december""".split()
    )
}
MONTH = "(?:" + "|".join([*MONTHS, *(m[:3] + r"\.?" for m in MONTHS), "sept"]) + ")"
JOIN = r"(?:\s(?:to|and|until|till|through|thru|up to|up until)\s|\s?[-–—]\s?)(?:the )?(?:end of )?"
DAY = r"(\d\d?)(?:st|nd|rd|th)?(?: of)?"
YEAR = r"((?:19|20)\d\d)"
HALVES = {"first": 1, "1st": 1, "second": 7, "2nd": 7, "last": 7}
QUARTERS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": 4}


def month_of(text: str) -> int:
    return next(n for m, n in MONTHS.items() if m.startswith(text.lower().rstrip(".")[:3]))


def day(y: int, m: int, d: int) -> date | None:
    try:
        return date(y, m, d)
    except ValueError:
        return None


def point(at: date) -> tuple[str, str]:
    return ("U", f"date '{at.isoformat()}'")


def months_on(y: int, m: int, count: int) -> date:
    """The first day of the month `count` months behind month m of year y."""
    return date(y + (m - 1 + count) // 12, (m - 1 + count) % 12 + 1, 1)


def of_days(m: re.Match[str], first: date | None, last: date | None) -> Iterator[Found]:
    if first and last and first > last and first.year == last.year:
        first = day(first.year - 1, first.month, first.day)
    if first and last and first <= last:
        ends = (point(first), point(last), point(last + timedelta(days=1)))
        yield Found(m.start(), m.end(), ends, "range")


def of_months(m: re.Match[str], y: int, first: int, last: int) -> Iterator[Found]:
    start = date(y - (first > last), first, 1)
    yield Found(m.start(), m.end(), (point(start), point(months_on(y, last, 1))), "period")


def find_ranges(text: str) -> Iterator[Found]:
    """Periods whose year, or year and month, stands once for both ends; halves and quarters of a year; ends of months."""
    for m in re.finditer(rf"(?i)\b{DAY}(?: ({MONTH}))?{JOIN}{DAY} ({MONTH}),? {YEAR}\b", text):
        y, last = int(m[5]), month_of(m[4])
        yield from of_days(m, day(y, month_of(m[2]) if m[2] else last, int(m[1])), day(y, last, int(m[3])))
    for m in re.finditer(rf"(?i)\b({MONTH}) {DAY}{JOIN}(?:({MONTH}) )?{DAY},? {YEAR}\b", text):
        y, first = int(m[5]), month_of(m[1])
        yield from of_days(m, day(y, first, int(m[2])), day(y, month_of(m[3]) if m[3] else first, int(m[4])))
    for m in re.finditer(rf"(?i)\b({MONTH}){JOIN}({MONTH}),? (?:of )?{YEAR}\b", text):
        yield from of_months(m, int(m[3]), month_of(m[1]), month_of(m[2]))
    for m in re.finditer(rf"(?i)\b(first|1st|second|2nd|last) half of (?:the year )?{YEAR}\b", text):
        first = HALVES[m[1].lower()]
        yield from of_months(m, int(m[2]), first, first + 5)
    for m in re.finditer(rf"(?i)\bh([12])[ /-]?{YEAR}\b|\b{YEAR}[ /-]?h([12])\b", text):
        first = 6 * int(m[1] or m[4]) - 5
        yield from of_months(m, int(m[2] or m[3]), first, first + 5)
    for m in re.finditer(rf"(?i)\b({'|'.join(QUARTERS)}) quarter (?:of )?(?:the year )?{YEAR}\b", text):
        q = QUARTERS[m[1].lower()]
        yield from of_months(m, int(m[2]), 3 * q - 2, 3 * q)
    for m in re.finditer(rf"(?i)\b(?:the )?(?:end|last day|last) of ({MONTH}),? {YEAR}\b", text):
        after = months_on(int(m[2]), month_of(m[1]), 1)
        yield Found(m.start(), m.end(), (point(after - timedelta(days=1)), point(after)), "range")
    for m in re.finditer(rf"(?i)(?<=between )({YEAR}){JOIN}{YEAR}\b|(?<=from )({YEAR}){JOIN}{YEAR}\b", text):
        y, z = int(m[1] or m[4]), int(m[3] or m[6])
        if y <= z:
            ends = (point(date(y, 1, 1)), point(date(z + 1, 1, 1)), ("N", str(y)), ("N", str(z)))
            yield Found(m.start(), m.end(), ends, "period")
