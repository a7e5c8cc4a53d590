"""The functions of expressions: how each is written, the kind of its result, and what it gives. The compiler says what each is in SQL."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FUNCTIONS", "MOMENTS", "Function"]


@dataclass(frozen=True)
class Function:
    """`kind` is the kind of the result: text, number, bool, time, `same` as the first argument, `second`'s, or any."""

    form: str
    kind: str
    summary: str


def called(form: str, kind: str, summary: str) -> tuple[str, Function]:
    return form.partition("(")[0], Function(form, kind, summary)


FUNCTIONS: dict[str, Function] = dict(
    (
        called("lower(text)", "text", "in small letters"),
        called("upper(text)", "text", "in capitals"),
        called("trim(text)", "text", "without blanks around it"),
        called("length(text)", "number", "its characters"),
        called("replace(text, old, new)", "text", "every `old` replaced by `new`"),
        called("left(text, count)", "text", "its first characters"),
        called("right(text, count)", "text", "its last characters"),
        called("substring(text, start[, count])", "text", "the characters from `start` on, which counts from 1"),
        called("concat(value, ...)", "text", "the values one after another; missing ones are left out"),
        called("split_part(text, separator, number)", "text", "a part of the text between separators, from 1"),
        called("regexp_extract(text, regex[, group])", "text", "what matches first, or a group of it (RE2)"),
        called("regexp_replace(text, regex, new)", "text", "every match replaced"),
        called("lpad(text, count, fill)", "text", "filled up on the left, or cut, to so many characters"),
        called("initcap(text)", "text", "its first letter in capitals, the others small"),
        called("text(value)", "text", "the value as text"),
        called("abs(number)", "number", "without its sign"),
        called("round(number[, digits])", "number", "rounded, halves away from zero"),
        called("floor(number)", "number", "the next whole number below"),
        called("ceil(number)", "number", "the next whole number above"),
        called("sqrt(number)", "number", "the square root"),
        called("ln(number)", "number", "the natural logarithm"),
        called("log10(number)", "number", "the logarithm to base 10"),
        called("exp(number)", "number", "e to this power"),
        called("power(number, exponent)", "number", "the power"),
        called("sign(number)", "number", "-1, 0 or 1"),
        called("number(value)", "number", "the value as a number; the row of a text that is none is set aside"),
        called("integer(value)", "number", "the value as a whole number"),
        called("coalesce(value, ...)", "same", "the first that isn't missing"),
        called("nullif(value, other)", "same", "missing where both are equal"),
        called("greatest(value, ...)", "same", "the greatest of them"),
        called("least(value, ...)", "same", "the least of them"),
        called("if(condition, yes, no)", "second", "`yes` where the condition is true, else `no`"),
        called("year(time)", "number", "the year"),
        called("quarter(time)", "number", "1 to 4"),
        called("month(time)", "number", "1 to 12"),
        called("week(time)", "number", "the week of the year (ISO 8601)"),
        called("day(time)", "number", "the day of the month"),
        called("hour(time)", "number", "0 to 23"),
        called("minute(time)", "number", "0 to 59"),
        called("weekday(time)", "number", "1 for Monday to 7 for Sunday"),
        called("day_name(time)", "text", "Monday to Sunday"),
        called("month_name(time)", "text", "January to December"),
        called("start_of(unit, time)", "time", "the start of its 'hour', 'day', 'week', 'month', 'quarter' or 'year'"),
        called("days_between(from, to)", "number", "the days that passed, fractions included: 36 hours are 1.5"),
        called("hours_between(from, to)", "number", "the hours that passed, fractions included"),
        called("seconds_between(from, to)", "number", "the seconds that passed, fractions included"),
        called("date_of(value)", "time", "its day"),
        called("timestamp_of(value)", "time", "the value as a moment"),
        called("format_date(time, format)", "text", "written as strftime does: '%Y-%m'"),
        called("add_days(time, count)", "time", "so many days later, or earlier where negative"),
        called("element(list, number)", "any", "an element of a list, from 1"),
        called("elements(list)", "number", "how many elements a list has"),
        called("any_contains(list, value)", "bool", "whether the value is among the list's"),
    )
)
MOMENTS = (Function("now()", "time", "this moment"), Function("today()", "time", "this day"))
"""Written like functions, but without arguments."""
