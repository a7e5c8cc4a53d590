"""Texts that are too long, too deep or not text at all end in an error of the language, never in another."""

from __future__ import annotations

import pytest

from intendant.errors import LanguageError
from intendant.language import from_json, parse, print_plan
from intendant.types import Json

DEEP = "the expression is nested deeper than 60"
LIMITS = {
    "100 kB": ("query orders filter a = 1 " + " and a = 1" * 10_000, "the text has 100,026 characters"),
    "a chain": ("query orders filter a = 1" + " and a = 1" * 4_000, DEEP),
    "parentheses": ("query orders filter " + "(" * 10_000 + "a" + ")" * 10_000, DEEP),
    "minus signs": ("query orders filter a = " + "-" * 20_000 + "1", DEEP),
    "not": ("query orders filter " + "not " * 10_000 + "a", DEEP),
    "cases": ("query orders filter " + "case when " * 4_000, DEEP),
    "calls": ("query orders derive x = " + "abs(" * 10_000 + "a", DEEP),
    "a quote without end": ("query orders filter a = '" + "x" * 40_000, "\"'\" does not belong here"),
    "NUL between words": ("query orders\0 first 5", "'\\x00' does not belong here"),
    "NUL in a text": ("query orders filter a = 'x\0y'", "\"'\" does not belong here"),
    "NUL in a name": ('query "a\0b"', "'\"' does not belong here"),
    "half a character": ("query \ud800", "'\\ud800' does not belong here"),
    "a mark of direction": ("query orders \u202e", "'\\u202e' does not belong here"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_text_beyond_a_limit_is_an_error_of_the_language(name: str) -> None:
    text, message = LIMITS[name]
    with pytest.raises(LanguageError) as caught:
        parse(text)
    assert caught.value.message.startswith(message)
    str(caught.value).encode()


def test_a_list_may_be_as_long_as_the_text() -> None:
    text = f"query orders filter a in ({', '.join(map(str, range(8000)))})"
    assert print_plan(parse(text)) == text


def test_lines_may_end_as_on_windows() -> None:
    assert print_plan(parse("query orders\r\n  first 5\r\nquery b\r\n")) == "query orders first 5\nquery b"


STEP = {"verb": "archive", "table": "orders"}
BAD_JSON: dict[str, tuple[Json, str]] = {
    "no list": ({}, "a plan in JSON is a list of objects with a `verb`"),
    "no verb": ([{"table": "orders"}], "a plan in JSON is a list of objects with a `verb`"),
    "an unknown verb": ([{"verb": "querry"}], "there is no verb 'querry'"),
    "a missing argument": ([{"verb": "query"}], "the plan's JSON lacks or misplaces 'table'"),
    "an argument too many": ([{**STEP, "where": "a", "force": 1}], "the plan's JSON has an argument that isn't one value"),
    "a number for a name": ([{"verb": "query", "table": 5}], "the plan's JSON lacks or misplaces"),
    "text for operators": ([{"verb": "query", "table": "t", "operators": "x"}], "the plan's JSON lacks or misplaces"),
    "a second step in an expression": (
        [{**STEP, "where": "a > 1; drop orders"}],
        "the plan's JSON has an argument that isn't one value",
    ),
    "a second step on a line": ([{**STEP, "where": "a > 1\ndrop orders"}], "the plan's JSON has an argument that isn't one value"),
    "an operator in an expression": (
        [{"verb": "query", "table": "t", "operators": [{"verb": "filter", "condition": "a first 1"}]}],
        "the plan's JSON has an argument that isn't one value",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_that_is_no_plan_is_an_error_of_the_language(name: str) -> None:
    data, message = BAD_JSON[name]
    with pytest.raises(LanguageError) as caught:
        from_json(data)
    assert caught.value.message.startswith(message)
