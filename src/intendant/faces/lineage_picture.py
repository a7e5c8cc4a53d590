"""Lineage drawn: from left to right sources, tables and their columns, each table with the step and the sentence that made
it. One SVG, or one page around it, that needs nothing else; every text in it is escaped.

Kinds differ by word and shape as well as by colour; the colours are those of Okabe and Ito (2008), told apart by everybody.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass
from html import escape
from pathlib import PurePath

from intendant.language.plans import looks_like_plan
from intendant.run.lineage_graph import Graph, Link, Node

__all__ = ["page", "svg"]

WIDTH, GAP, BETWEEN, MARGIN = 280, 110, 28, 20
HEAD, LINE, ROW, PAD = 24, 15, 20, 10
CHARS, NAME_CHARS = 44, 34
MOST_COLUMNS = 40
LEAST = 0.6
"""A page narrower than the picture makes it smaller down to this share; then it scrolls."""
INK, PALE, EDGE = "#1c2733", "#66707d", "#d5dae1"
KIND = {"table": "#0072b2", "source": "#e69f00", "file": "#009e73"}
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5b5b5b")
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
STYLE = f"""
text{{font:12px system-ui,sans-serif;fill:{INK}}}text.name{{font-weight:600;font-size:13px}}text.pale{{fill:{PALE};font-size:11px}}
text.step{{font:10.5px ui-monospace,monospace}}text.said{{font-style:italic;font-size:11px;fill:{PALE}}}
rect.box{{fill:#fff;stroke:{EDGE}}}path.link{{fill:none;stroke-width:1.5;opacity:.75}}path.link:hover{{stroke-width:4;opacity:1}}
path.whole{{stroke-dasharray:5 4}}g.column:hover text{{font-weight:600}}
"""
PAGE = f"""
body{{font:15px/1.5 system-ui,sans-serif;color:{INK};margin:0 auto;padding:24px;max-width:1600px;background:#fff}}
h1{{font-size:26px;margin:0}}h2{{font-size:18px;margin:30px 0 10px}}small{{color:{PALE}}}.wide{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:13px}}td,th{{padding:4px 8px;text-align:left;vertical-align:top;
border-bottom:1px solid #eef1f4;overflow-wrap:anywhere}}th{{color:{PALE};font-weight:600}}
td.tight,th{{white-space:nowrap}}
code{{background:#f3f5f8;padding:1px 4px;border-radius:3px;font-size:12px}}
"""


@dataclass(frozen=True)
class Box:
    """A node with its place: left, top, height, and the middle of each column's row ("" is the header's)."""

    node: Node
    x: float
    y: float
    height: float
    steps: list[str]
    said: list[str]
    rows: dict[str, float]
    linked: frozenset[tuple[str, str]] = frozenset()
    """(side, column) that a line starts or ends at; the sides are left and right."""


def page(graph: Graph) -> str:
    """The picture and, below it, every step in full."""
    rows = "".join(map(told, (n for n in graph.nodes if n.run)))
    steps = (
        f"<h2>Steps</h2><table><tr><th>table<th>version<th>step<th>sentence<th>run<th>at</tr>{rows}</table>"
        if rows
        else ""
    )
    title = f"Where {said(graph.name)} came from"
    note = "From left to right. A line is a column that another one was made of; a dashed one a table that was only looked up."
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{PAGE}</style><h1>{title}</h1><small>{note}</small>"
        f"<div class=wide>{svg(graph)}</div>{steps}</html>\n"
    )


def told(n: Node) -> str:
    """A step in full, as a line of the page's table."""
    version = "" if n.version is None else str(n.version)
    step = f"<code>{said(n.step)}</code>" if n.step else ""
    run = said(n.run) + (f" and {n.runs - 1:,} before" if n.runs > 1 else "")
    return (
        f"<tr><td class=tight>{said(n.name)}<td>{version}<td>{step}<td>{said(n.intent)}"
        f"<td class=tight>{run}<td class=tight>{said(n.at[:19])}</tr>"
    )


def svg(graph: Graph) -> str:
    """The picture alone, as a file of its own."""
    boxes = placed(graph)
    width = MARGIN * 2 + max(b.x for b in boxes.values()) + WIDTH - MARGIN
    height = MARGIN + max(b.y + b.height for b in boxes.values())
    colours = {c: LINES[i % len(LINES)] for i, c in enumerate(dict.fromkeys(x.right_column for x in graph.links))}
    lines = "".join(line(x, boxes, colours[x.right_column]) for x in merged(graph, boxes))
    drawn = "".join(box(b) for b in boxes.values())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        f' style="max-width:max(100%,{width * LEAST:.0f}px);height:auto"'
        f' role="img" aria-label="lineage of {said(graph.name)}"><style>{STYLE}</style>{lines}{drawn}</svg>\n'
    )


def placed(graph: Graph) -> dict[str, Box]:
    """Layers side by side, each in the middle of the tallest one."""
    layers: dict[int, list[Node]] = {}
    for n in graph.nodes:
        layers.setdefault(n.layer, []).append(n)
    sized = {n.key: measured(n) for n in graph.nodes}
    tall = {i: sum(sized[n.key].height + BETWEEN for n in nodes) - BETWEEN for i, nodes in layers.items()}
    out = {}
    for i, nodes in sorted(layers.items()):
        x, y = MARGIN + i * (WIDTH + GAP), MARGIN + (max(tall.values()) - tall[i]) / 2
        for n in nodes:
            b = sized[n.key]
            ends = [("right", z.left_column) for z in graph.links if z.left == n.key]
            ends += [("left", z.right_column) for z in graph.links if z.right == n.key]
            rows = {c: y + at for c, at in b.rows.items()}
            out[n.key] = Box(n, x, y, b.height, b.steps, b.said, rows, frozenset(ends))
            y += b.height + BETWEEN
    return out


def measured(node: Node) -> Box:
    """The node's box at 0, 0."""
    steps = wrapped(node.step, CHARS - 4, 3)
    sentence = node.intent and (not node.step or looks_like_plan(node.intent) is None)  # a plan says what the step says
    quoted = wrapped(f"“{node.intent}”", CHARS - 2, 2) if sentence else []
    head = HEAD + LINE + LINE * (len(steps) + len(quoted)) + (PAD if steps or quoted else 4)
    rows = {"": HEAD - 8.0}
    shown = node.columns if len(node.columns) <= MOST_COLUMNS else node.columns[: MOST_COLUMNS - 1]
    for i, c in enumerate(node.columns):
        rows[c] = head + min(i, len(shown)) * ROW + ROW / 2
    lines = len(shown) + (len(shown) < len(node.columns))
    return Box(node, 0, 0, head + lines * ROW + (PAD / 2 if lines else 0), steps, quoted, rows)


def merged(graph: Graph, boxes: dict[str, Box]) -> list[Link]:
    """The links, those of columns that share the last row once."""
    seen: dict[tuple[str, float, str, float], Link] = {}
    for x in graph.links:
        seen.setdefault((x.left, boxes[x.left].rows[x.left_column], x.right, boxes[x.right].rows[x.right_column]), x)
    return list(seen.values())


def line(x: Link, boxes: dict[str, Box], colour: str) -> str:
    a, b = boxes[x.left], boxes[x.right]
    x1, y1, x2, y2 = a.x + WIDTH, a.rows[x.left_column], b.x, b.rows[x.right_column]
    bend = max(GAP / 2, (x2 - x1) / 2)
    whole = "" if x.left_column else " whole"
    left, right = (f"{n.name}.{c}" if c else n.name for n, c in ((a.node, x.left_column), (b.node, x.right_column)))
    title = (
        f"{left} → {right}"
        + (f"\n{b.node.step}" if b.node.step else "")
        + (f"\nrun {b.node.run}" if b.node.run else "")
    )
    return (
        f'<path class="link{whole}" stroke="{colour}" d="M{x1:.1f},{y1:.1f} C{x1 + bend:.1f},{y1:.1f}'
        f' {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"><title>{said(title)}</title></path>'
    )


def box(b: Box) -> str:
    n, colour = b.node, KIND[b.node.kind]
    kind = n.kind if n.version is None else f"{n.kind}, version {n.version}"
    kind += f", {n.runs:,} runs" if n.runs > 1 else ""
    full = "\n".join(
        t for t in (n.name, kind, n.step, f"“{n.intent}”" if n.intent else "", f"run {n.run}" * bool(n.run), n.at) if t
    )
    out = [
        f'<g><title>{said(full)}</title><rect class="box" x="{b.x}" y="{b.y:.1f}" width="{WIDTH}" height="{b.height:.1f}"'
        f' rx="{5 if n.kind == "table" else 14}" /><rect x="{b.x + 6}" y="{b.y + 6:.1f}" width="4" height="{b.height - 12:.1f}"'
        f' rx="2" fill="{colour}" />',
        write(
            b.x + 18, b.y + HEAD - 6, short(PurePath(n.name).name if n.kind == "file" else n.name, NAME_CHARS), "name"
        ),
        write(b.x + 18, b.y + HEAD + LINE - 6, kind, "pale"),
    ]
    y = b.y + HEAD + LINE * 2 - 4
    for text, cls in [*((t, "step") for t in b.steps), *((t, "said") for t in b.said)]:
        out.append(write(b.x + 18, y, text, cls))
        y += LINE
    out.append("</g>")
    for i, c in enumerate(n.columns[:MOST_COLUMNS]):
        left = len(n.columns) - i
        more = i == MOST_COLUMNS - 1 and left > 1
        label, at = (f"… and {left:,} more" if more else short(c, NAME_CHARS + 4)), b.rows[c]
        title = ", ".join(n.columns[i:]) if more else f"{n.name}.{c}"
        out.append(f'<g class="column"><title>{said(title)}</title>{write(b.x + 26, at + 4, label)}')
        out += [
            f'<circle cx="{b.x + side}" cy="{at:.1f}" r="2.5" fill="{colour}" />'
            for side, name in ((0, "left"), (WIDTH, "right"))
            if (name, c) in b.linked
        ]
        out.append("</g>")
    return "".join(out)


def write(x: float, y: float, text: str, cls: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.1f}"' + (f' class="{cls}"' if cls else "") + f">{said(text)}</text>"


def wrapped(text: str, width: int, most: int) -> list[str]:
    """The text in at most so many lines; what is left out is an ellipsis."""
    lines = textwrap.wrap(" ".join(text.split()), width)
    cut = lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1] + " …"]
    return [short(line, width) for line in cut]


def short(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many places; wide letters take two."""
    places = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text]
    if sum(places) <= most:
        return text
    fit = next(i for i in range(len(text)) if sum(places[: i + 1]) > most - 1)
    return text[:fit] + "…"


def said(text: str) -> str:
    """Escaped for HTML and XML, without characters that XML doesn't know."""
    return escape(UNPRINTABLE.sub("\ufffd", text))
