"""What the language's functions are called in SQL, how many arguments each takes, and which may fail."""

from __future__ import annotations

__all__ = ["ARITY", "CASTS", "SIMPLE", "WHOLE"]

SIMPLE = {
    "lower": "LOWER",
    "upper": "UPPER",
    "trim": "TRIM",
    "length": "LENGTH",
    "replace": "REPLACE",
    "left": "LEFT",
    "right": "RIGHT",
    "substring": "SUBSTRING",
    "concat": "CONCAT",
    "split_part": "SPLIT_PART",
    "regexp_extract": "REGEXP_EXTRACT",
    "lpad": "LPAD",
    "abs": "ABS",
    "round": "ROUND",
    "floor": "FLOOR",
    "ceil": "CEIL",
    "sqrt": "SQRT",
    "ln": "LN",
    "log10": "LOG10",
    "exp": "EXP",
    "power": "POWER",
    "sign": "SIGN",
    "coalesce": "COALESCE",
    "nullif": "NULLIF",
    "greatest": "GREATEST",
    "least": "LEAST",
    "year": "YEAR",
    "quarter": "QUARTER",
    "month": "MONTH",
    "week": "WEEK",
    "day": "DAY",
    "hour": "HOUR",
    "minute": "MINUTE",
    "weekday": "ISODOW",
    "day_name": "DAYNAME",
    "month_name": "MONTHNAME",
    "elements": "LEN",
    "any_contains": "LIST_CONTAINS",
    "format_date": "STRFTIME",
}
CASTS = {"text": "VARCHAR", "number": "DOUBLE", "integer": "BIGINT", "date_of": "DATE", "timestamp_of": "TIMESTAMP"}
ARITY = {
    "replace": (3, 3),
    "substring": (2, 3),
    "left": (2, 2),
    "right": (2, 2),
    "split_part": (3, 3),
    "round": (1, 2),
    "regexp_extract": (2, 3),
    "regexp_replace": (3, 3),
    "lpad": (3, 3),
    "power": (2, 2),
    "nullif": (2, 2),
    "if": (3, 3),
    "start_of": (2, 2),
    "days_between": (2, 2),
    "hours_between": (2, 2),
    "seconds_between": (2, 2),
    "format_date": (2, 2),
    "add_days": (2, 2),
    "element": (2, 2),
    "any_contains": (2, 2),
    "now": (0, 0),
    "today": (0, 0),
    "concat": (1, 99),
    "coalesce": (1, 99),
    "greatest": (1, 99),
    "least": (1, 99),
}
WHOLE = frozenset(
    "lower upper trim length replace concat coalesce nullif greatest least if year quarter month week day hour minute weekday "
    "day_name month_name elements initcap text".split()
)
"""Functions that have a value for whatever they are given."""
