"""The quality report as a page: it shows what is bad where, whatever the table, and no text of it becomes markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from intendant import Intendant

VOID = {"meta", "br", "th", "td", "li", "rect", "circle", "line", "polyline", "path"}


class Outline(HTMLParser):
    """Tags that a page opens, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Intendant]:
    with Intendant.init(tmp_path / "w") as made:
        yield made


def loaded(app: Intendant, rows: dict[str, Any], table: str = "t") -> None:
    file = app.workspace.root / "rows.parquet"
    pq.write_table(pa.table(rows), file)
    app.load(file, table)


def page_of(app: Intendant, table: str = "t") -> tuple[Outline, str]:
    made = app.check(table, html=app.workspace.root / "out" / "page.html")
    text = Path(made["html"]).read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    assert not {"script", "link", "img", "iframe"} & set(outline.tags)
    assert text.count("<svg") == text.count("</svg>") and "http" not in text
    return outline, text


def test_bad_values_are_marked_and_their_rows_shown(app: Intendant) -> None:
    prices = [50.0 + i % 9 for i in range(300)]
    prices[7] = 9999.0
    loaded(app, {"id": list(range(300)), "price": prices, "status": ["paid", "open", "N/A"] * 100})
    outline, text = page_of(app)
    said = " ".join(outline.texts)
    assert "9999.0" in said and "far from the others" in said
    assert re.search(r"<h3>price <small>double, 1 bad</small>", text)
    assert re.search(r"<h3>status <small>varchar, 100 missing, 100 bad</small>", text)
    assert re.search(r"rows, 1 bad</title>", text) and "<td class=bad>9999.0</td>" in text


def test_which_columns_determine_others_is_drawn_with_what_breaks_it(app: Intendant) -> None:
    zips = ["35903", "35950", "36049", "36302"] * 50
    cities = ["Gadsden", "Albertville", "Luverne", "Dothan"] * 50
    cities[8] = "Dothan"
    loaded(app, {"zip": zips, "city": cities})
    outline, _ = page_of(app)
    said = " ".join(outline.texts)
    assert "Which columns determine others" in said and "zip → city: 99.50 % of the rows" in said


def test_several_loads_are_drawn_one_after_another(app: Intendant) -> None:
    for n in (100, 120, 90):
        loaded(app, {"id": list(range(n)), "x": [float(i % 7) for i in range(n)]})
    outline, text = page_of(app)
    assert "Load by load" in outline.texts and "version 2: 90" in text


def test_names_and_values_never_become_markup(app: Intendant) -> None:
    evil = "<script>alert('x')</script>\"'&"
    loaded(app, {evil: [evil, "b", None] * 40, "</svg><b>": list(range(120)), 'e 😀 "q"': ["N/A", evil, "c"] * 40})
    outline, text = page_of(app)
    assert "<script" not in text and any(evil[:20] in t for t in outline.texts)


@pytest.mark.parametrize(
    "rows",
    [
        {"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())},
        {"a": [1], "b": ["x"]},
        {"a": pa.array([None] * 50, pa.float64()), "b": pa.array([None] * 50, pa.string())},
        {"a": [float("nan"), float("inf"), -float("inf"), 1.0, None] * 10},
        {"a": [[1, 2], None] * 30, "b": [{"x": 1}, {"x": 2}] * 30, "c": list(range(60))},
        {"a": [True, False, None] * 20, "d": pa.array([0, 1, 86_399] * 20, pa.time32("s"))},
        {"a": pa.array([0, 10**14, None] * 20, pa.timestamp("us")), "b": pa.array([b"\x00\xff", b"", None] * 20)},
        {"same": [5] * 60},
        {f"c{i}": [i, i + 1, None] for i in range(300)},
        {"a": ["x" * 100_000] * 3},
    ],
    ids=[
        "empty",
        "one row",
        "all missing",
        "no numbers",
        "nested",
        "clocks",
        "times and bytes",
        "constant",
        "wide",
        "long",
    ],
)
def test_any_table_has_a_page(app: Intendant, rows: dict[str, Any]) -> None:
    loaded(app, rows)
    outline, text = page_of(app)
    assert "What was found" in outline.texts and len(text) < 3_000_000


def test_a_file_has_a_page_too_and_the_command_says_where(tmp_path: Path) -> None:
    import subprocess
    import sys

    with Intendant.init(tmp_path):
        (tmp_path / "people.csv").write_text("name,age\nAnna,31\nBen,N/A\n" * 30)
    command = [sys.executable, "-m", "intendant.faces.cli", "check", "people.csv", "--html", "page.html", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["html"] == "page.html" and "people.csv" in (tmp_path / "page.html").read_text()
