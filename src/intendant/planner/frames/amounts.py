"""Comparisons, units and formulas: "more than" becomes an operator, "price times quantity" an expression."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

from intendant.language.expression import Expr
from intendant.language.to_sql import kind_of_type
from intendant.planner.frames.chunks import Place
from intendant.planner.frames.pattern import Chunk, Hit, Rule, Scene, rule
from intendant.planner.frames.trees import call, column, compare, number, tree
from intendant.planner.words import name_parts

__all__ = ["COMPARISONS", "FORMULAS", "day_of", "expression_of", "in_unit_of", "kind_of_expression", "place_of"]

WORDS = {
    ">": "more than|over|above|greater than|higher than|larger than|bigger than|exceeding|exceeds|exceed|exceeded|beyond"
    "|longer than|heavier than|in excess of|upwards of|better than|later than|bigger|greater|strictly over|farther than"
    "|hotter than|warmer than|taller than|worth over|in more than|worth more than|richer than|faster than|dearer than|is more than|>",
    ">=": "at least|not less than|no less than|no fewer than|not fewer than|not under|not below|no lower than|minimum|a minimum of"
    "|from at least|>=|or above|no earlier than|not lower than|starting at",
    "<": "less than|under|below|fewer than|lower than|smaller than|shorter than|cheaper than|earlier than|lighter than|<"
    "|slower than|colder than|cooler than|worse than|strictly under",
    "<=": "at most|no more than|not more than|maximum|a maximum of|not over|not above|<=|no higher than|up to|no greater than"
    "|not higher than|no longer than|not longer than|not exceeding|no later than|never more than|never above",
    "=": "exactly|equal to|equals|equal|==|precisely|=",
    "!=": "other than|different from|not equal to|<>|!=|unequal to|does not equal|doesn't equal|isn't equal to",
}
OPERATORS = {w: op for op, words in WORDS.items() for w in words.split("|")}
MEASURES = (
    r"(?:kg|kgs|kilos?|kilograms?|grams?|euros?|eur|dollars?|usd|pounds?|bucks|francs|cents?|km|kms|kilomet(?:er|re)s?"
    r"|km/h|kmh|kph|miles|met(?:er|re)s?|cm|mm|volts?|watts?|kwh|kw|mw|degrees?|celsius|points?|litres?|liters?|stars?|pieces?"
    r"|units?|mb|gb|pages?|bpm|times|people|€|\$|£|c|psi|ppm|v|w|l|ms|milliseconds)"
)


def place_of(scene: Scene) -> Place:
    place = scene.notes["place"]
    assert isinstance(place, Place)
    return place


def is_date(place: Place, name: str) -> bool:
    c = place.column(name)
    return c is not None and c.type.upper() == "DATE"


def day_of(place: Place, name: str) -> Expr:
    """The column as a day."""
    return column(name) if is_date(place, name) else call("date_of", column(name))


def as_operator(hit: Hit) -> Chunk:
    said = hit.word("f").replace("_", " ")
    return Chunk("F", {"F": OPERATORS[said]}, said)


def comparison_rules() -> tuple[Rule, ...]:
    longest = sorted(OPERATORS, key=lambda w: (-len(w.split()), -len(w)))
    return (Rule("(?P<f>" + "|".join(longest) + ")", as_operator),)


@rule(rf"{{N:n}} (?![^\s<]*<){MEASURES}(?! {{F}})")
def measured(hit: Hit) -> Chunk | None:
    """3 kilos -> 3."""
    return hit["n"]


@rule(r"(?:€|\$|£) {N:n}")
def money(hit: Hit) -> Chunk | None:
    return hit["n"]


@rule(
    r"{N:n}(?: {T})? (?:or|and) (?P<w>more|above|over|up|upwards|higher|later|older|longer|less|fewer|below|under|lower|earlier)"
)
def or_more(hit: Hit) -> Chunk:
    """10 or more -> at least 10, as one chunk that carries its operator."""
    less = hit.word("w") in ("less", "fewer", "below", "under", "lower", "earlier")
    return Chunk("Q", {"Q": ("<=" if less else ">=", hit["n"]["N"])}, hit["n"].said)


COMPARISONS: tuple[Rule, ...] = (money, measured, or_more, *comparison_rules())


def expression_of(chunk: Chunk) -> Expr | None:
    """The expression that a chunk stands for, when it is a column, a formula, a number or a concept."""
    if chunk["X"] is not None:
        found: Expr = chunk["X"]
        return found
    if chunk["C"] is not None:
        return column(chunk["C"])
    if chunk["N"] is not None:
        return number(chunk["N"])
    if chunk["E"]:
        return tree(chunk["E"][0])
    return None


def kind_of_expression(chunk: Chunk, place: Place) -> str:
    """number, time, text, bool or other."""
    if chunk["X"] is not None:
        return str(chunk["kind"] or "number")
    if chunk["C"] is not None:
        found = place.column(chunk["C"])
        return kind_of_type(found.type) if found else "other"
    return "number"


def formula(e: Expr, hit: Hit, *parts: Chunk, kind: str = "number") -> Chunk:
    quality = min((p.quality for p in parts), default=1.0)
    said = "_".join(p.said for p in parts)
    return Chunk("X", {"X": e, "kind": kind}, said, quality)


def arithmetic(op: str) -> Rule:
    words = {
        "*": r"(?:times|multiplied by|x|\*|×|multiplied with)",
        "/": r"(?:divided by|/|over|divided through)",
        "+": r"(?:plus|\+|added to|and added|together with)",
        "-": r"(?:minus|-|−|less(?! than)|after subtracting|reduced by|after deducting|without)",
    }[op]

    def build(hit: Hit) -> Chunk | None:
        a, b = hit["a"], hit["b"]
        place = place_of(hit.scene)
        kinds = kind_of_expression(a, place), kind_of_expression(b, place)
        left, right = expression_of(a), expression_of(b)
        if left is None or right is None or (a["N"] is not None and b["N"] is not None):
            return None
        if kinds == ("time", "time") and op == "-":
            unit = "hours" if "hour" in hit.scene.notes.get("all", "") else "days"
            return formula(call(f"{unit}_between", right, left), hit, a, b)
        if kinds != ("number", "number") or (a["N"] is not None and op == "/" and "over" in hit.match[0]):
            return None
        if b["N"] is not None and "over" in hit.match[0]:
            return None
        if b["pct"]:
            return None
        return formula(compare(op, left, right), hit, a, b)

    return Rule(rf"{{CXNE:a}} {words} {{CXNE:b}}", build)


@rule(r"\( {X:x} \)")
def brackets(hit: Hit) -> Chunk:
    return hit["x"]


@rule(
    r"(?:number of |count of )?(?P<unit>days|hours|seconds) (?:that passed |elapsed )?(?:between|from) {W:a} (?:and|to|until|till) {W:b}"
)
def between(hit: Hit) -> Chunk:
    a, b = column(hit["a"]["C"]), column(hit["b"]["C"])
    return formula(call(f"{hit.word('unit')}_between", a, b), hit, hit["a"], hit["b"])


@rule(r"(?P<unit>days|hours) since {W:a}")
def since_then(hit: Hit) -> Chunk:
    return formula(call(f"{hit.word('unit')}_between", column(hit["a"]["C"]), tree("today()")), hit, hit["a"])


@rule(
    r"(?:time|difference|interval|span) (?:between|from) {W:a} (?:and|to|until) {W:b} in (?P<unit>days|hours|seconds)"
)
def between_in(hit: Hit) -> Chunk:
    return between.build(hit)  # type: ignore[return-value]


@rule(r"(?:difference between|difference of) {M:a} and {M:b}")
def difference(hit: Hit) -> Chunk:
    return formula(compare("-", column(hit["a"]["C"]), column(hit["b"]["C"])), hit, hit["a"], hit["b"])


@rule(r"(?:ratio of|share of) {M:a} (?:to|over|in) {M:b}")
def ratio(hit: Hit) -> Chunk:
    return formula(compare("/", column(hit["a"]["C"]), column(hit["b"]["C"])), hit, hit["a"], hit["b"])


@rule(r"{N:n} (?:of|from) {MX:x}")
def percent_of(hit: Hit) -> Chunk | None:
    x = expression_of(hit["x"])
    if not hit["n"]["pct"] or x is None:
        return None
    return formula(compare("*", x, number(repr(float(hit["n"]["N"]) / 100))), hit, hit["x"])


@rule(r"(?P<part>year|quarter|month|week|day|hour|minute|weekday|length|day_name) (?:of|from|in|part of) {WL:c}")
def part_of(hit: Hit) -> Chunk | None:
    part, kind = hit.word("part"), kind_of_expression(hit["c"], place_of(hit.scene))
    if kind == "text" and part == "length":
        return formula(call("length", column(hit["c"]["C"])), hit, hit["c"])
    if kind != "time" or part not in ("year", "hour", "quarter"):
        return None
    return formula(call(part, column(hit["c"]["C"])), hit, hit["c"])


@rule(
    r"{L:a} (?:and|,|plus|\+) {L:b} (?:separated by|with|joined by|joined with|glued with)(?: single| one)? (?:space|blank)(?: in between| between them| between)?"
)
def glued(hit: Hit) -> Chunk:
    a, b = column(hit["a"]["C"]), column(hit["b"]["C"])
    return formula(compare("||", compare("||", a, tree("' '")), b), hit, hit["a"], hit["b"], kind="text")


@rule(r"{CX:x} (?:rounded to|with) {N:n} (?:decimals?|decimal places|places|digits)")
def rounded(hit: Hit) -> Chunk | None:
    x = expression_of(hit["x"])
    return formula(call("round", x, number(hit["n"]["N"])), hit, hit["x"]) if x is not None else None


@rule(r"{X:x} (?P<op>plus|minus|\+|-) one")
def and_one(hit: Hit) -> Chunk:
    op = "+" if hit.match["op"].startswith(("plus", "+")) else "-"
    return formula(compare(op, hit["x"]["X"], number("1")), hit, hit["x"])


FORMULAS: tuple[Rule, ...] = (
    glued,
    between,
    between_in,
    since_then,
    difference,
    ratio,
    percent_of,
    part_of,
    arithmetic("*"),
    arithmetic("/"),
    brackets,
    arithmetic("-"),
    arithmetic("+"),
    brackets,
    arithmetic("*"),
    arithmetic("/"),
    and_one,
    rounded,
)
CONVERSIONS = {
    ("minute", "hour"): 60,
    ("minute", "day"): 1440,
    ("hour", "day"): 24,
    ("second", "minute"): 60,
    ("second", "hour"): 3600,
    ("day", "week"): 7,
    ("month", "year"): 12,
    ("hour", "week"): 168,
}


def in_unit_of(duration: str, name: str) -> str | None:
    """3 hours for delay_minutes -> 180; None where the column's name says no unit, or one that doesn't fit."""
    n, _, unit = duration.partition(" ")
    unit = unit.rstrip("s")
    if name_parts(name)[:1] == ("ms",) or name_parts(name)[-1:] == ("ms",):
        each = {"second": 1000, "minute": 60_000, "hour": 3_600_000}.get(unit)
        return str(int(n) * each) if each else None
    own = next(
        (p for p in reversed(name_parts(name)) if p in ("second", "minute", "hour", "day", "week", "month", "year")), ""
    )
    if own == unit:
        return n
    factor = CONVERSIONS.get((own, unit))
    return str(int(n) * factor) if factor else None
