"""Lineage as a graph, drawn and told: every column that matters is in it, nothing overlaps, and a name can't break it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intendant.app import Intendant
from intendant.errors import UnknownName
from intendant.faces.cli import app as command
from intendant.faces.lineage_picture import MOST_COLUMNS, WIDTH, page, placed, short, svg
from intendant.run.lineage_graph import Graph, Link, Node, graph, sources_of
from intendant.telemetry.openlineage import facet_of

SVG = "{http://www.w3.org/2000/svg}"
ODD = 'a<b>&"c" \'d\''


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intendant]:
    """`revenue` of `orders` (filled from a source, then changed in place) and `customers` (a file); `log`, added to thrice."""
    folder = tmp_path_factory.mktemp("shop")
    Intendant.init(folder).close()
    (folder / "drops").mkdir()
    (folder / "customers.csv").write_text("customer_id,region\n1,north\n2,south\n")
    (folder / "intendant.toml").write_text('[sources.drops]\nkind = "files"\npath = "drops/"\n')
    with Intendant(folder) as opened:
        opened.load(folder / "customers.csv", "customers")
        for n in range(3):
            (folder / "drops" / "orders.csv").write_text(f"id,customer_id,price,quantity\n{n},1,2.5,{n}\n{n + 9},2,4.5,1\n")
            assert opened.do("ingest drops.orders append into log").status == "succeeded"
        for text in (
            "ingest drops.orders into orders",
            "transform orders derive total = price * quantity",
            "transform orders join customers on customer_id group by region: sum total as revenue, count as n into revenue",
            "transform orders semi join customers on customer_id into known",
        ):
            assert opened.do(text).status == "succeeded", text
        yield opened


def made(app: Intendant, name: str) -> Graph:
    return graph(app.journal, app.lake, name)


# ---------------------------------------------------------------- the graph
def test_a_column_is_followed_through_joins_and_changes_in_place_to_source_and_file(app: Intendant) -> None:
    found = made(app, "revenue")
    shown = [(n.kind, n.name, n.version, n.columns) for n in found.nodes]
    assert sorted(shown, key=str) == [
        ("file", str(app.workspace.root / "customers.csv"), None, ["region"]),
        ("source", "drops.orders", None, ["price", "quantity"]),
        ("table", "customers", 0, ["region"]),
        ("table", "orders", 0, ["price", "quantity"]),
        ("table", "orders", 1, ["total"]),
        ("table", "revenue", 0, ["region", "revenue", "n"]),
    ]
    layers = {(n.name, n.version): n.layer for n in found.nodes}
    assert [layers[k] for k in (("drops.orders", None), ("orders", 0), ("orders", 1), ("revenue", 0))] == [0, 1, 2, 3]
    assert layers["customers", 0] == 2


def test_a_single_column_shows_only_what_it_was_made_of(app: Intendant) -> None:
    found = made(app, "revenue.region")
    assert [(n.name, n.columns) for n in found.nodes] == [
        (str(app.workspace.root / "customers.csv"), ["region"]), ("customers", ["region"]), ("revenue", ["region"]),
    ]  # fmt: skip


def test_a_step_that_adds_again_and_again_is_one_node_with_its_runs(app: Intendant) -> None:
    [source, log] = made(app, "log").nodes
    assert (source.name, log.name, log.runs, log.version) == ("drops.orders", "log", 3, 2)


def test_a_table_that_was_only_looked_up_is_linked_as_a_whole(app: Intendant) -> None:
    found = made(app, "known")
    whole = [x for x in found.links if not x.left_column]
    assert [(x.left.partition("@")[0], x.right.partition("@")[0]) for x in whole if "file" not in x.left] == [
        ("customers", "known")
    ]


def test_an_unknown_column_is_named_with_the_nearest(app: Intendant) -> None:
    with pytest.raises(UnknownName) as e:
        made(app, "revenue.revenu")
    assert "revenue" in e.value.hint


# ---------------------------------------------------------------- the picture
@pytest.mark.parametrize("name", ["revenue", "known", "log", "revenue.revenue"])
def test_no_box_lies_on_another_and_every_line_goes_to_the_right(app: Intendant, name: str) -> None:
    found = made(app, name)
    boxes = list(placed(found).values())
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a.x + WIDTH < b.x or b.x + WIDTH < a.x or a.y + a.height < b.y or b.y + b.height < a.y
    at = placed(found)
    assert all(at[x.left].x + WIDTH < at[x.right].x for x in found.links)
    for path in ET.fromstring(svg(found)).iter(f"{SVG}path"):
        x1, *_, x2, _ = map(float, re.findall(r"-?\d+\.\d+", path.attrib["d"]))
        assert x1 < x2


def test_each_box_says_its_step_sentence_and_run_when_it_is_pointed_at(app: Intendant) -> None:
    found = made(app, "revenue")
    titles = [t.text or "" for t in ET.fromstring(svg(found)).iter(f"{SVG}title")]
    for n in found.nodes:
        if n.run:
            assert any(n.name in t and n.intent in t and f"run {n.run}" in t for t in titles)
    assert any(t.startswith("orders.total → revenue.revenue\ntransform orders") for t in titles)


def test_a_picture_needs_nothing_from_outside_and_holds_no_script(app: Intendant) -> None:
    drawn = page(made(app, "revenue"))
    assert "<script" not in drawn and "http://www.w3.org/2000/svg" in drawn
    assert re.findall(r"(?:src|href|url)\s*[=(]", drawn) == []


def odd(columns: list[str]) -> Graph:
    left = Node("a", "source", ODD, columns)
    right = Node("b", "table", ODD, columns, 3, f"step {ODD}\x00\ud800", "r1", f"said {ODD}", "2026-01-01", 1, False, 1)
    return Graph(ODD, (left, right), tuple(Link("a", c, "b", c) for c in columns))


def test_names_and_sentences_are_text_whatever_they_hold() -> None:
    drawn = svg(odd([ODD, "日本語" * 30, "x" * 300, "]]>", "\x1b[31m"]))
    texts = [t.text for t in ET.fromstring(drawn).iter(f"{SVG}text")]
    assert ODD in texts and f"“said {ODD}”" in texts
    page(odd([ODD])).encode("utf-8")
    assert "<b>" not in page(odd([ODD]))


def test_a_very_wide_table_is_cut_and_says_so() -> None:
    columns = [f"column_{i}" for i in range(200)]
    drawn = svg(odd(columns))
    texts = [t.text for t in ET.fromstring(drawn).iter(f"{SVG}text")]
    assert texts.count(f"… and {200 - MOST_COLUMNS + 1} more") == 2
    assert drawn.count("<path") == MOST_COLUMNS


def test_wide_letters_take_two_places() -> None:
    assert short("日本語", 6) == "日本語" and short("日本語", 5) == "日本…" and short("abcdef", 5) == "abcd…"


# ---------------------------------------------------------------- told
def test_the_facet_names_what_each_column_was_made_of(app: Intendant) -> None:
    facet = facet_of(sources_of(app.journal, app.lake, "revenue"), app.workspace)
    inputs = {c: [(f["name"], f["field"]) for f in v["inputFields"]] for c, v in facet["fields"].items()}
    assert inputs == {"region": [("customers", "region")], "revenue": [("orders", "total")]}
    assert facet["_schemaURL"].endswith("ColumnLineageDatasetFacet.json")
    assert set(sources_of(app.journal, app.lake, "orders.total")) == {"total"}
    assert sources_of(app.journal, app.lake, "log.id") == {"id": [("drops.orders", "id")]}


def test_the_command_writes_pictures_and_prints_the_facet(app: Intendant, tmp_path: Path) -> None:
    here = ["--workspace", str(app.workspace.root)]
    out = CliRunner().invoke(
        command, ["lineage", "revenue", "--html", str(tmp_path / "l.html"), "--svg", str(tmp_path / "l.svg"), *here]
    )
    assert out.exit_code == 0 and (tmp_path / "l.html").read_text().startswith("<!doctype html>")
    assert ET.parse(tmp_path / "l.svg").getroot().tag == f"{SVG}svg"
    told = CliRunner().invoke(command, ["lineage", "revenue", "--openlineage", *here])
    assert set(json.loads(told.output)["columnLineage"]["fields"]) == {"region", "revenue"}
    missing = CliRunner().invoke(command, ["lineage", "revenue", "--svg", str(tmp_path / "no" / "l.svg"), *here])
    assert missing.exit_code and "can't be written" in str(missing.exception)
