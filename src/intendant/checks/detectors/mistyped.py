"""Text columns that really are numbers, dates or times: values in them that aren't, or are written otherwise."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted, text
from intendant.types import Finding, Rule

__all__ = ["Mistyped", "form_of"]

PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
FORMS: tuple[tuple[str, str], ...] = (
    ("number", PLAIN),
    ("number with separators", r"[+-]?\d{1,3}([,' ]\d{3})+(\.\d+)?"),
    ("percentage", PLAIN + r"\s*%"),
    ("amount of money", r"[+-]?[$€£¥]\s*" + r"\d[\d,]*(\.\d+)?|\d[\d,]*(\.\d+)?\s*[$€£¥]"),
    ("date like 2025-01-31", r"\d{4}-\d{1,2}-\d{1,2}"),
    ("time stamp", r"\d{4}-\d{1,2}-\d{1,2}[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?"),
    ("date like 31/1/2025", r"\d{1,2}/\d{1,2}/(\d{4}|\d{2})"),
    ("date like 2025/01/31", r"\d{4}/\d{1,2}/\d{1,2}"),
    ("date like 31.1.2025", r"\d{1,2}\.\d{1,2}\.(\d{4}|\d{2})"),
    ("date in words", r"\d{1,2}[ -][A-Za-z]{3,9}[ -](\d{4}|\d{2})|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}"),
    ("time of day", r"\d{1,2}:\d{2}(:\d{2})?(\s*[AaPp]\.?[Mm]\.?)?"),
    ("number with a unit", r"[+-]?\d+(\.\d+)?\s*[A-Za-zµ°\"'][A-Za-z.°/]*"),
)
COMPILED = tuple((name, re.compile(regex)) for name, regex in FORMS)
REGEX = dict(FORMS)
NUMBERS = frozenset({"number", "number with separators", "percentage", "amount of money", "number with a unit"})
DATES = frozenset(name for name, _ in FORMS if name.startswith("date") or name == "time stamp")
UNITS = frozenset({
    "oz", "ounce", "fl", "floz", "g", "gram", "gramme", "kg", "kilo", "kilogram", "kilogramme", "mg", "lb", "pound",
    "ton", "tonne", "t", "ml", "milliliter", "cl", "dl", "l", "liter", "litre", "gal", "gallon", "pint", "mm",
    "millimeter", "cm", "centimeter", "m", "meter", "metre", "km", "kilometer", "in", "inch", "ft", "foot", "feet",
    "yd", "yard", "mi", "mile", "ms", "s", "sec", "second", "min", "minute", "h", "hr", "hour", "d", "day", "wk",
    "week", "month", "yr", "year", "usd", "eur", "gbp", "dollar", "euro", "pct", "percent", "kb", "mb", "gb", "tb",
    "byte", "hz", "khz", "mhz", "ghz", "w", "kw", "mw", "kwh", "v", "a", "mah", "c", "f", "k", "°c", "°f", "mph",
    "kph", "km/h", "m/s", "psi", "bar", "pa", "kpa", "cal", "kcal",
})
DIGIT = re.compile(r"\d")
NUMBER_IN = r"[+-]?[0-9]*[.]?[0-9]+"


class Mistyped(Detector):
    name = "type"
    summary = "Text that is mostly numbers, dates or times, with values that aren't; formats and units that are mixed."
    example = "693 of 2,410 values of abv are percentages among numbers: transform beers derive abv = number(...)"

    def find(self, subject: Subject) -> Iterator[Finding]:
        for column in subject.flat("text"):
            values = subject.present(column.name)
            total = sum(values.values())
            if total >= 5:
                yield from self.look(subject, column.name, values, total)

    def look(self, subject: Subject, column: str, values: dict[str, int], total: int) -> Iterator[Finding]:
        forms = {v: form_of(v) for v in values}
        # a word that is frequent by itself is a category ("exempt" among numbers), not an error
        forms = {v: f for v, f in forms.items()
                 if f or DIGIT.search(v) or values[v] < max(5, subject.settings.established * total)}
        weight: Counter[str] = Counter()
        for v, f in forms.items():
            weight[f] += values[v]
        if not weight or not (judged := sum(weight.values())):
            return
        main, most = max(((f, n) for f, n in weight.items() if f), key=lambda p: p[1], default=("", 0))
        family = NUMBERS if main in NUMBERS else DATES if main in DATES else frozenset({main})
        related = sum(n for f, n in weight.items() if f in family)
        s = subject.settings
        if not main or related < s.type_majority * judged:
            return
        if main == "number with a unit":
            yield from self.units(subject, column, {v: values[v] for v, f in forms.items() if f == main}, judged)
        elif most >= s.mixed_majority * judged:
            others = {v: values[v] for v, f in forms.items() if f in family and f != main
                      and (f != "number with a unit" or unit_of(v) in UNITS)}
            if others:
                yield self.mixed(subject, column, others, main)
        odd = {v: values[v] for v, f in forms.items() if f not in family}
        if odd and len(odd) < 0.5 * len(forms) + 1:
            yield self.odd(subject, column, odd, main, family)

    def units(self, subject: Subject, column: str, values: dict[str, int], total: int) -> Iterator[Finding]:
        """Spellings of the unit beside the number; several of them, and nobody can compute with the column."""
        spellings: Counter[str] = Counter()
        for v, n in values.items():
            spellings[spelling(v)] += n
        known = sum(n for v, n in values.items() if unit_of(v) in UNITS)
        if len(spellings) < 2 or known < subject.settings.type_majority * total:
            return
        top, n = spellings.most_common(1)[0]
        bad = values if n < subject.settings.type_majority * total else {
            v: k for v, k in values.items() if spelling(v) != top}
        evidence = f"{column} holds numbers with the unit written in {len(spellings)} ways: {shown(spellings)}."
        yield self.result(subject, column, bad, evidence, "number with a unit",
                          mend.pulled(subject.table, column, NUMBER_IN), 0.9)

    def mixed(self, subject: Subject, column: str, others: dict[str, int], main: str) -> Finding:
        kinds = sorted({form_of(v) for v in others})
        rows = sum(others.values())
        evidence = (f"{subject.so_many(rows, column)} are written otherwise ({', '.join(kinds)}) than the"
                    f" rest ({main}): {shown(others)}.")
        repair = mend.pulled(subject.table, column, NUMBER_IN) if main == "number" and not any(
            "separators" in k or "money" in k for k in kinds) else guarded(subject.table, column, [main])
        return self.result(subject, column, others, evidence, kinds[0] if len(kinds) == 1 else "", repair, 0.85)

    def odd(self, subject: Subject, column: str, odd: dict[str, int], main: str, family: frozenset[str]) -> Finding:
        rows = sum(odd.values())
        evidence = f"{subject.so_many(rows, column)} are no {main.partition(' like ')[0]}: {shown(odd)}."
        return self.result(subject, column, odd, evidence, "", guarded(subject.table, column, sorted(family)), 0.9)

    @staticmethod
    def result(subject: Subject, column: str, bad: dict[str, int], evidence: str, form: str, repair: str,
               confidence: float) -> Finding:
        where = subject.is_one_of(column, bad)
        rows = sum(bad.values())
        if subject.sampled(column) and form:
            where = f"regexp_full_match({quoted(column)}, {text(REGEX[form])})"
            rows = subject.count(where)
        return subject.finding("type", column, rows, evidence, where=where, mend=repair, confidence=confidence,
                               samples=list(bad)[:5])


def form_of(value: str) -> str:
    """The name of the form a text has, or ""."""
    value = value.strip()
    if not value or not any(c.isdigit() for c in value) or len(value) > 60:
        return ""
    return next((name for name, regex in COMPILED if regex.fullmatch(value)), "")


def spelling(value: str) -> str:
    return re.sub(r"^[+-]?\d+(\.\d+)?", "", value.strip())


def unit_of(value: str) -> str:
    """The unit beside a number, without its dots, case and plural."""
    unit = spelling(value).strip().lower().replace(".", "")
    return unit if unit in UNITS else unit.removesuffix("s")


def guarded(table: str, column: str, forms: list[str]) -> str:
    regex = "|".join(f"({REGEX[f]})" for f in forms)
    return mend.guard(table, Rule("pattern", column=column, regex=regex))
