"""A quality report as one HTML page that needs nothing else: no script, no font, no address; every text in it is escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from intendant.checks.history.profile import Profile
from intendant.checks.pictures import Bar, ColumnPicture, Edge, Example, Pictures
from intendant.types import Json

__all__ = ["page"]

GOOD, BAD, GONE, INK, PALE = "#3b7dd8", "#d9483b", "#c9ced6", "#1c2733", "#8a94a3"
STYLE = f"""
body{{font:15px/1.5 system-ui,sans-serif;color:{INK};margin:0 auto;max-width:1080px;padding:24px;background:#fff}}
h1{{font-size:26px;margin:0}}h2{{font-size:18px;margin:36px 0 10px;border-bottom:1px solid #e3e7ec;padding-bottom:4px}}
h3{{font-size:14px;margin:0 0 4px;overflow-wrap:anywhere}}small,.pale{{color:{PALE}}}
.facts{{display:flex;gap:28px;flex-wrap:wrap;margin:14px 0}}.facts b{{display:block;font-size:22px}}
.badge{{border-radius:4px;padding:1px 8px;color:#fff;font-weight:600;font-size:13px}}
.LOW{{background:#2f9e5b}}.MEDIUM{{background:#d39a1e}}.HIGH{{background:{BAD}}}
table{{border-collapse:collapse;width:100%;font-size:13px}}td,th{{padding:4px 8px;text-align:left;vertical-align:top;
border-bottom:1px solid #eef1f4;overflow-wrap:anywhere}}th{{color:{PALE};font-weight:600}}
code{{background:#f3f5f8;padding:1px 4px;border-radius:3px;font-size:12px;overflow-wrap:anywhere}}
svg.graph{{max-width:720px}}td.tight,th.tight{{white-space:nowrap}}td.name{{min-width:90px}}td.bad{{background:#fbe3e0;font-weight:600}}.wide{{overflow-x:auto}}
.grid{{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:18px}}
.card{{border:1px solid #e3e7ec;border-radius:6px;padding:10px 12px}}svg{{display:block;width:100%;height:auto}}
text{{font:11px system-ui,sans-serif;fill:{INK}}}text.pale{{fill:{PALE}}}
"""


TIP = (
    "<defs><marker id=tip markerWidth=7 markerHeight=7 refX=6 refY=3 orient=auto>"
    f"<path d='M0,0 L6,3 L0,6 z' fill='{PALE}' /></marker></defs>"
)


def page(report: Mapping[str, Json], shown: Pictures, past: Sequence[Profile] = ()) -> str:
    """The page for a report (as `check --json` prints it), its pictures, and the profiles of the table's loads."""
    findings = report["findings"]
    body = [head(report), section("What was found", found(findings))]
    if report.get("explanation"):
        body.insert(1, f"<p>{escape(str(report['explanation']))}</p>")
    if shown.examples:
        body.append(section("Bad rows", "".join(example(e, findings) for e in shown.examples)))
    if shown.columns:
        body.append(section("What is missing", missing(shown.columns)))
        body.append(section("Values", f"<div class=grid>{''.join(map(card, shown.columns))}</div>" + legend()))
    if shown.edges:
        body.append(section("Which columns determine others", graph(shown.edges)))
    if len(past) > 1:
        body.append(section("Load by load", drift(past)))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Quality of {escape(str(report['subject']))}</title><style>{STYLE}</style>{''.join(body)}</html>\n"
    )


def section(title: str, inner: str) -> str:
    return f"<h2>{escape(title)}</h2>{inner}"


def head(report: Mapping[str, Json]) -> str:
    facts = (
        ("rows", f"{report['rows']:,}"),
        ("completeness", f"{report['completeness']} %"),
        ("consistency", f"{report['consistency']} %"),
        ("findings", str(report["issues"])),
    )
    level = escape(str(report["severity"]))
    return (
        f"<h1>{escape(str(report['subject']))} <span class='badge {level}'>{level}</span></h1>"
        f"<div class=facts>{''.join(f'<div><b>{escape(v)}</b>{escape(k)}</div>' for k, v in facts)}</div>"
        "<small>Completeness is the share of cells that hold a value; consistency the share that no finding touches.</small>"
    )


def found(findings: Sequence[Mapping[str, Json]]) -> str:
    if not findings:
        return "<p>Nothing.</p>"

    def mend(text: str) -> str:
        return f"<code>{escape(text)}</code>" if text else ""

    rows = "".join(
        f"<tr><td>{i}</td><td class=tight><span class='badge {escape(f['severity'])}'>{escape(f['severity'])}</span></td>"
        f"<td class=tight>{escape(f['check'].replace('_', ' '))}</td><td class=name>{escape(f['column'] or '')}</td>"
        f"<td class=tight>{f['rows']:,} of {f['total']:,}</td><td>{escape(f['evidence'])}</td>"
        f"<td>{mend(f['mend'])}</td></tr>"
        for i, f in enumerate(findings, 1)
    )
    return f"<table><tr><th>#<th class=tight>severity<th>check<th class=tight>column<th>rows<th>evidence<th>mend</tr>{rows}</table>"


def example(e: Example, findings: Sequence[Mapping[str, Json]]) -> str:
    names = "".join(f"<th>{escape(n)}" for n in e.columns)
    rows = "".join(
        "<tr>" + "".join(cell(v, n == e.column) for n, v in zip(e.columns, row, strict=True)) + "</tr>"
        for row in e.rows
    )
    said = escape(str(findings[e.finding]["evidence"]))
    return f"<h3>{e.finding + 1}. {said}</h3><div class=wide><table><tr>{names}</tr>{rows}</table></div><br>"


def cell(value: str | None, bad: bool) -> str:
    text = "<span class=pale>missing</span>" if value is None else escape(value)
    return f"<td class=bad>{text}</td>" if bad else f"<td>{text}</td>"


def missing(columns: Sequence[ColumnPicture]) -> str:
    """One line a column: how much of it holds a value."""
    left, width, line = 190, 700, 20
    out = []
    for i, c in enumerate(columns):
        share, y = c.missing / c.rows, i * line
        out.append(
            f"<text x={left - 8} y={y + 14} text-anchor=end>{escape(short(c.name, 28))}</text>"
            f"<rect x={left} y={y + 3} width={width} height=14 fill='{GOOD}' opacity=.25 />"
            f"<rect x={left} y={y + 3} width={share * width:.1f} height=14 fill='{BAD}' />"
            f"<text x={left + width + 8} y={y + 14}>{100 * share:.1f} %</text>"
        )
    return svg(960, len(columns) * line + 4, "".join(out), "share of missing values by column")


def card(c: ColumnPicture) -> str:
    facts = [c.type.lower()] + ([f"{c.missing:,} missing"] if c.missing else []) + ([f"{c.bad:,} bad"] if c.bad else [])
    drawn = bars_up(c.bars) if c.kind != "values" else bars_across(c.bars)
    return f"<div class=card><h3>{escape(c.name)} <small>{escape(', '.join(facts))}</small></h3>{drawn}</div>"


def bars_up(bars: Sequence[Bar]) -> str:
    """A histogram, the bad part on top of each bar; a bad part of any size can be seen."""
    if not bars:
        return "<small>no values</small>"
    width, height = 300, 110
    most, step, out = max(b.good + b.bad for b in bars) or 1, 300 / len(bars), []
    for i, b in enumerate(bars):
        bad = max(b.bad / most * height, 2.0) if b.bad else 0.0
        good = b.good / most * (height - bad if b.good + b.bad == most else height)
        title = f"<title>{escape(b.label)}: {b.good + b.bad:,} rows, {b.bad:,} bad</title>"
        at = f"x={i * step + 0.5:.1f} width={step - 1:.1f}"
        out.append(
            f"<g>{title}<rect {at} y={height - good:.1f} height={good:.1f} fill='{GOOD}' />"
            f"<rect {at} y={height - good - bad:.1f} height={bad:.1f} fill='{BAD}' /></g>"
        )
    ends = (
        f"<text class=pale x=0 y={height + 14}>{escape(bars[0].label)}</text>"
        f"<text class=pale x={width} y={height + 14} text-anchor=end>{escape(bars[-1].label)}</text>"
    )
    return svg(width, height + 18, "".join(out) + ends, "histogram")


def bars_across(bars: Sequence[Bar]) -> str:
    if not bars:
        return "<small>no values</small>"
    most, line, left = max(b.good + b.bad for b in bars) or 1, 16, 120
    out = []
    for i, b in enumerate(bars):
        good, bad, y = b.good / most * 140, b.bad / most * 140, i * line
        bad = max(bad, 2.0) if b.bad else 0.0
        out.append(
            f"<text x={left - 5} y={y + 12} text-anchor=end>{escape(short(b.label, 18) or '(blank)')}</text>"
            f"<rect x={left} y={y + 3} width={good:.1f} height=11 fill='{GOOD}' />"
            f"<rect x={left + good:.1f} y={y + 3} width={bad:.1f} height=11 fill='{BAD}' />"
            f"<text class=pale x={left + good + bad + 4:.1f} y={y + 12}>{b.good + b.bad:,}</text>"
        )
    return svg(310, len(bars) * line + 4, "".join(out), "most frequent and bad values")


def legend() -> str:
    marks = ((GOOD, "rows that no finding touches"), (BAD, "bad rows"))
    return (
        "<p><small>" + " &nbsp; ".join(f"<span style='color:{c}'>■</span> {said}" for c, said in marks) + "</small></p>"
    )


def graph(edges: Sequence[Edge]) -> str:
    """Columns in a circle, an arrow from each to those it determines; red where some rows break it."""
    names = list(dict.fromkeys(n for e in edges for n in (e.left, e.right)))
    width, height, out = 720, 150 if len(names) < 4 else 380, []
    at = {
        n: (width / 2 + 230 * math.cos(a), height / 2 + (height / 2 - 40) * math.sin(a))
        for i, n in enumerate(names)
        for a in [2 * math.pi * i / len(names) - math.pi]
    }
    for e in edges:
        (x, y), (u, v) = at[e.left], at[e.right]
        far = math.hypot(u - x, v - y) or 1.0
        u, v = u - (u - x) / far * 12, v - (v - y) / far * 12
        colour = GOOD if e.agreement >= 1 else BAD
        title = f"<title>{escape(e.left)} determines {escape(e.right)} in {100 * e.agreement:.2f} % of the rows</title>"
        out.append(
            f"<line x1={x:.1f} y1={y:.1f} x2={u:.1f} y2={v:.1f} stroke='{colour}' stroke-width=1.3 marker-end='url(#tip)'>{title}</line>"
        )
    for n, (x, y) in at.items():
        side = "start" if x >= width / 2 else "end"
        out.append(
            f"<circle cx={x:.1f} cy={y:.1f} r=5 fill='{INK}' />"
            f"<text x={x + (9 if side == 'start' else -9):.1f} y={y + 4:.1f} text-anchor={side}>{escape(short(n, 24))}</text>"
        )
    said = "".join(
        f"<li>{escape(e.left)} → {escape(e.right)}: {100 * e.agreement:.2f} % of the rows"
        for e in edges
        if e.agreement < 1
    )
    broken = f"<small>Broken by some rows:</small><ul>{said}</ul>" if said else ""
    drawn = svg(width, height, TIP + "".join(out), "dependencies between columns")
    return drawn.replace("<svg ", "<svg class=graph ", 1) + broken


def drift(past: Sequence[Profile]) -> str:
    """Rows, and each column's missing share and median, over the loads."""
    loads = list(past)
    columns = list(loads[-1].columns)
    cards = [line("rows", loads, [float(p.rows) for p in loads])]
    for name in columns:
        gone = [100 * p.missing(name) if name in p.columns else None for p in loads]
        if any(gone):
            cards.append(line(f"{name}: % missing", loads, gone))
        medians = [middle(p, name) for p in loads]
        if any(m is not None for m in medians):
            cards.append(line(f"{name}: median", loads, medians))
    return f"<div class=grid>{''.join(cards[:60])}</div>"


def middle(p: Profile, name: str) -> float | None:
    found = p.columns[name].quantiles if name in p.columns else None
    return found[len(found) // 2] if found else None


def line(title: str, loads: Sequence[Profile], values: Sequence[float | None]) -> str:
    """A line over versions, its last point marked."""
    points = [(p.version, v) for p, v in zip(loads, values, strict=True) if v is not None and math.isfinite(v)]
    if not points:
        return ""
    width, height = 300, 80
    low, high = min(v for _, v in points), max(v for _, v in points)
    first, last = points[0][0], points[-1][0]
    placed = [
        (
            10 + (width - 20) * (n - first) / max(last - first, 1),
            height - 10 - (height - 20) * (v - low) / ((high - low) or 1.0),
        )
        for n, v in points
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    x, y = placed[-1]
    inner = (
        f"<polyline points='{path}' fill=none stroke='{GOOD}' stroke-width=1.6 /><circle cx={x:.1f} cy={y:.1f} r=3.5 fill='{BAD}' />"
        f"<text class=pale x=0 y={height + 12}>version {first}: {points[0][1]:.6g}</text>"
        f"<text class=pale x={width} y={height + 12} text-anchor=end>version {last}: {points[-1][1]:.6g}</text>"
    )
    return f"<div class=card><h3>{escape(title)}</h3>{svg(width, height + 16, inner, title)}</div>"


def svg(width: float, height: float, inner: str, says: str) -> str:
    return f"<svg viewBox='0 0 {width:.0f} {height:.0f}' role=img aria-label='{escape(says)}'>{inner}</svg>"


def short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
