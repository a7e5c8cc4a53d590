"""What people see: results, tables, trees and progress in colour."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from intendant.types import Json, Question, in_bytes

__all__ = [
    "Progress",
    "ask",
    "confirm",
    "show_advice",
    "show_changes",
    "show_error",
    "show_event",
    "show_lineage",
    "show_list",
    "show_loaded",
    "show_made",
    "show_project",
    "show_report",
    "show_result",
    "show_rows",
    "show_sources",
    "show_table",
]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
COLOUR = {
    "succeeded": "green",
    "failed": "red",
    "rolled_back": "red",
    "waiting_approval": "yellow",
    "needs_answer": "yellow",
    "refused": "magenta",
    "LOW": "green",
    "MEDIUM": "yellow",
    "HIGH": "red",
    "CRITICAL": "red",
    "NORMAL": "green",
    "ok": "green",
    "problem": "red",
    "warning": "yellow",
    "absent": "dim",
    "running": "cyan",
}
MOST_ROWS = 50
MOST_CELLS = 8


def plain(value: Json) -> str:
    """A cell as text, control characters made visible."""
    text = (
        "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    )
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def coloured(word: str) -> Text:
    return Text(word, style=COLOUR.get(word, ""))


class Progress:
    """Watches runs and shows what is going on; a bar on a terminal, nothing kept afterwards."""

    def __init__(self) -> None:
        self.bar: Bar | None = None
        self.task: Any = None
        self.lock = threading.Lock()

    def __call__(self, kind: str, data: Mapping[str, Json]) -> None:
        with self.lock:
            self.heard(kind, data)

    def heard(self, kind: str, data: Mapping[str, Json]) -> None:
        if kind in ("run.finished", "approval.requested"):
            self.stop()
            return
        said = self.said(kind, data)
        if not said:
            return
        if self.bar is None:
            self.bar = Bar(
                SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=err, transient=True
            )
            self.task = self.bar.add_task("starting")
            self.bar.start()
        self.bar.update(self.task, description=said)

    def stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def said(self, kind: str, data: Mapping[str, Json]) -> str:
        if kind == "rows":
            return f"{data['table']}: {data['rows']:,} rows"
        if kind == "step.retried":
            return f"waiting {data['wait_s']:.1f} s: {escape(plain(data['message']))[:80]}"
        if kind in ("data.ready", "quality.passed", "quality.failed", "table.published"):
            return f"{kind} {escape(plain(data.get('table', '')))}"
        return ""


def show_error(e: Mapping[str, Json]) -> None:
    """What, where, and the mend."""
    err.print(Text("✗ ", style="red bold") + Text(plain(e["message"]), style="bold"))
    if e.get("where"):
        err.print(Text(f"  at   {plain(e['where'])}", style="dim"))
    if e.get("hint"):
        err.print(Text("  mend ", style="green") + Text(plain(e["hint"])))


def show_made(value: Mapping[str, Json]) -> None:
    for key, v in value.items():
        out.print(f"[green]✓[/] {key} [bold]{escape(plain(v))}[/]")


def show_project(value: Mapping[str, Json]) -> None:
    """A dbt project that was written."""
    models, sources = value["models"], value["sources"]
    out.print(f"[green]✓[/] project [bold]{escape(plain(value['project']))}[/]")
    out.print(f"  {len(models)} models, {len(sources)} sources, {value['tests']} tests")
    for left in value["left_out"]:
        out.print(Text("  not in it: ", style="yellow") + Text(plain(left["what"])) + Text(f" ({plain(left['why'])})", style="dim"))


def show_loaded(value: Mapping[str, Json]) -> None:
    out.print(
        f"[green]✓[/] [bold]{escape(plain(value['table']))}[/] version {value['version']}, {value['rows']:,} rows"
    )


def show_result(r: Mapping[str, Json]) -> None:
    """A run as `do` answers it."""
    colour = COLOUR.get(r["status"], "white")
    if r["plan"]:
        out.print(
            Panel(
                Syntax(plain(r["plan"]), "sql", theme="ansi_dark", background_color="default", word_wrap=True),
                title="plan",
                border_style="dim",
                title_align="left",
            )
        )
    for line in r.get("preview") or ():
        out.print(Text("  would ", style="dim") + Text(plain(line)))
    if r.get("changes"):
        show_changes(r["changes"])
    for o in r["outputs"]:
        aside = (
            f", [yellow]{o['rows_quarantined']:,} set aside[/] in quarantine.{escape(plain(o['table']))}"
            if o["rows_quarantined"]
            else ""
        )
        out.print(f"  [bold]{escape(plain(o['table']))}[/] version {o['version']}: {o['rows_written']:,} rows{aside}")
    for s in r["steps"]:
        if s.get("note"):
            out.print(Text(f"  {plain(s['note'])}", style="dim"))
        if s.get("optimization"):
            show_optimization(s["optimization"])
    if r["answer"]:
        show_rows(r["answer"])
    show_findings(r["findings"])
    for q in r["questions"]:
        show_question(q)
    if r["error"]:
        show_error(r["error"])
    said = f": {plain(r['reason'])}" if r["reason"] else ""
    out.print(
        Text(f"{r['status'].replace('_', ' ')}{said}", style=f"{colour} bold"),
        Text(f"  {r['timing_ms'].get('total', 0):.0f} ms", style="dim"),
    )
    if r.get("approval"):
        out.print(Text(f"  intendant approve {r['approval']}", style="yellow"))


def show_changes(c: Mapping[str, Json]) -> None:
    """What a plan would change: a line a table, a few of its rows, and the plan's lines against those of its last run."""
    if c.get("title"):
        out.print(Text(plain(c["title"]), style="bold"))
    for t in c["tables"]:
        show_change(t)
    told = {t["why"] for t in c["tables"]}
    for d in (d for d in c["described"] if d["why"] not in told):
        out.print(Text(f"  not tried: {plain(d['step'])}", style="dim") + Text(f" ({plain(d['why'])})", style="dim"))
    if c["stops"]:
        ends = c["stops"]["status"].replace("_", " ")
        out.print(Text(f"  {ends} at ", style="red") + Text(plain(c["stops"]["step"])) + Text(f": {plain(c['stops']['why'])}"))
    if c.get("cost"):
        out.print(Text(f"  {cost_said(c['cost'])}", style="dim"))
    against = c.get("plan")
    if against and (against["new"] or against["gone"]):
        out.print(Text(f"  the plan against that of {against['last_run']}:", style="dim"))
        for sign, style, lines in (("+", "green", against["new"]), ("-", "red", against["gone"])):
            for line in lines:
                out.print(Text(f"    {sign} {plain(line)}", style=style))


def cost_said(c: Mapping[str, Json]) -> str:
    """What a plan costs, in a line."""
    known = "" if not c["unknown"] else f", without what {c['unknown']} of its steps bring{'s' if c['unknown'] == 1 else ''}"
    took = "" if not c["seconds"] else f"; {c['seconds'][0]:.1f} to {c['seconds'][1]:.1f} s"
    read, written = (f"{in_bytes(c[f'bytes_{w}'])} ({c[f'rows_{w}']:,} rows)" for w in ("read", "written"))
    return f"cost: reads {read}, writes {written}, {in_bytes(c['bytes_stored'])} in the lake then{known}{took}"



def show_change(t: Mapping[str, Json]) -> None:
    """One table of a preview."""
    said = Text("  ") + Text(plain(t["table"]), style="bold")
    if t["state"] != "known":
        counts = "" if t["rows_after"] is None else f", {t['rows_before']:,} -> about {t['rows_after']:,} rows"
        out.print(said + Text(f": {t['state']}{counts}, {plain(t['why'])}", style="yellow"))
        return
    rows = f"new, {t['rows_after']:,} rows" if t["new"] else f"{t['rows_before']:,} -> {t['rows_after']:,} rows"
    said += Text(f": {'dropped, ' if t['dropped'] else ''}{rows}  ")
    for sign, what, style in (("+", "added", "green"), ("~", "changed", "yellow"), ("-", "removed", "red")):
        said += Text(f" {sign}{t[what]:,}", style=style if t[what] else "dim")
    by = f"by {plain(', '.join(t['by']))}" if t["by"] else "without a key"
    out.print(said + Text("" if t["new"] or t["dropped"] else f"  {by}", style="dim"))
    columns = [f"{k} {plain(', '.join(v))}" for k, v in t["columns"].items() if v and k != "retyped"]
    columns += [f"{plain(n)} from {a} to {b}" for n, a, b in t["columns"]["retyped"]]
    if columns:
        out.print(Text(f"    columns: {'; '.join(columns)}", style="cyan"))
    for sign, what, style in (("+", "added", "green"), ("-", "removed", "red")):
        for row in t["samples"][what]:
            out.print(Text(f"    {sign} {cells(row.items())}", style=style))
    for row in t["samples"]["changed"]:
        moved = [f"{plain(n)}: {plain(v)} -> {plain(row['after'][n])}" for n, v in row["before"].items()]
        out.print(Text(f"    ~ {cells(row['key'].items())}  {', '.join(moved)}", style="yellow"))


def cells(row: Iterable[tuple[str, Json]]) -> str:
    """A row as text: the first columns, and how many there are more."""
    shown = [f"{plain(n)}={plain(v)[:40]}" for n, v in row]
    return ", ".join(shown[:MOST_CELLS]) + (f" and {len(shown) - MOST_CELLS} more" if len(shown) > MOST_CELLS else "")


def show_optimization(o: Mapping[str, Json]) -> None:
    if "before_ms" in o:
        verdict = "kept" if o["kept"] else "reverted: it was no faster"
        note = "" if o.get("measurable") else " (too few rows to tell a difference)"
        measured = f"{o['before_ms']} ms before, {o['after_ms']} ms after, [bold]{verdict}[/]{note}"
        out.print(f"  sorted by {escape(plain(', '.join(o['columns'])))}: {measured}; {escape(plain(o['why']))}")


def show_findings(findings: list[Mapping[str, Json]]) -> None:
    if not findings:
        return
    total = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    table = Table(title=total, title_justify="left", border_style="dim")
    for name in ("severity", "column", "what", "mend"):
        table.add_column(name, overflow="fold")
    for f in findings[:MOST_ROWS]:
        table.add_row(
            coloured(f["severity"]),
            plain(f.get("column") or "(rows)"),
            Text(plain(f["evidence"])),
            Text(plain(f.get("mend", "")), style="green"),
        )
    out.print(table)


def show_question(q: Mapping[str, Json]) -> None:
    out.print(Text("? ", style="yellow bold") + Text(plain(q["text"]), style="bold"))
    for n, c in enumerate(q["choices"], 1):
        out.print(Text(f"  {n} ", style="yellow") + Text(plain(c["label"])))


def ask(question: Question) -> str:
    """Asks a person; "" when there is no answer."""
    show_question({"text": question.text, "choices": [c.__dict__ for c in question.choices]})
    return out.input("> ").strip()


def confirm(prepared: Any) -> bool:
    """Shows the exact plan and asks whether to run it."""
    out.print(Panel(Text(plain(prepared.rendered)), title="plan", border_style="yellow", title_align="left"))
    for line in prepared.preview:
        out.print(Text("  would ", style="dim") + Text(plain(line)))
    why = prepared.needs_approval or "the plan is not certain enough to run by itself"
    return out.input(f"[yellow]{escape(plain(why))}.[/] Run it? [y/N] ").strip().lower() in ("y", "yes")


def show_rows(answer: Mapping[str, Json]) -> None:
    """{"columns", "rows"} as a table; long ones are cut, and say so."""
    table = Table(border_style="dim")
    for name in answer["columns"]:
        table.add_column(Text(plain(name)), overflow="fold")
    for row in answer["rows"][:MOST_ROWS]:
        table.add_row(*(Text(plain(v)) for v in row))
    out.print(table)
    if len(answer["rows"]) > MOST_ROWS:
        out.print(f"[dim]… and {len(answer['rows']) - MOST_ROWS:,} more rows[/]")


def show_list(rows: list[Mapping[str, Json]]) -> None:
    """A list of objects as a table."""
    if not rows:
        out.print("[dim]nothing[/]")
        return
    table = Table(border_style="dim")
    names = list(rows[0])
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(coloured(plain(row.get(n))) for n in names))
    out.print(table)


def show_sources(rows: list[Mapping[str, Json]]) -> None:
    """The sources as a table, and where to look when nothing is known of one."""
    show_list(rows)
    silent = [plain(row["name"]) for row in rows if not row["resources"]]
    if silent:
        out.print(f"[dim]{escape(', '.join(silent))}: nothing to read was found; `intendant doctor` says why[/]")


def show_table(value: Mapping[str, Json]) -> None:
    """One object, a line a field."""
    table = Table(show_header=False, border_style="dim")
    for key, v in value.items():
        shown = "\n".join(f"{k}: {plain(x)}" for k, x in v.items()) if isinstance(v, Mapping) else plain(v)
        table.add_row(Text(key, style="dim"), Text(shown))
    out.print(table)


def show_lineage(origin: Mapping[str, Json]) -> None:
    """A tree: the column or table, and under it what it was made from."""
    out.print(_branch(origin, Tree(_label(origin))))


def _label(o: Mapping[str, Json]) -> Group:
    lines = [Text(o["name"], style="bold" if o["kind"] in ("table", "column") else "cyan bold")]
    if o.get("intent"):
        lines.append(Text(f"“{plain(o['intent'])}”", style="italic"))
    if o.get("step"):
        lines.append(Text(f"{plain(o['step'])}  (run {o.get('run', '')})", style="dim"))
    return Group(*lines)


def _branch(origin: Mapping[str, Json], tree: Tree) -> Tree:
    for child in origin.get("inputs", ()):
        _branch(child, tree.add(_label(child)))
    return tree


def show_event(e: Mapping[str, Json]) -> None:
    data = json.dumps(e["data"], ensure_ascii=False, default=str)
    out.print(
        Text(f"{e['seq']:>6} {e['at'][11:23]} ", style="dim")
        + Text(f"{e['kind']:24}", style="cyan")
        + Text(f"{e['run']} ", style="dim")
        + Text(plain(data)[:160])
    )


def show_report(r: Mapping[str, Json]) -> None:
    """A quality report."""
    out.print(
        Text(
            f"{r['subject']}: {r['rows']:,} rows, completeness {r['completeness']} %, consistency {r['consistency']} %, severity "
        )
        + coloured(r["severity"])
    )
    show_findings(r["findings"])
    if r.get("explanation"):
        out.print(Text(plain(r["explanation"])))
    if r.get("cells"):
        out.print(f"{r['cells']['count']:,} suspicious cells in {escape(r['cells']['file'])}")
    if r.get("html"):
        out.print(f"The report with pictures is {escape(r['html'])}")


def show_advice(a: Mapping[str, Json]) -> None:
    """Strategy, severity, priority, and what to do."""
    table = Table(show_header=False, border_style="dim", title=a["id"], title_justify="left")
    table.add_row("strategy", Text(a["strategy"], style="bold"), Text(plain(a["ingestion"]["reason"])))
    table.add_row("severity", coloured(a["severity"]), Text(plain(a["quality"]["reason"])))
    table.add_row("priority", coloured(a["priority"]), Text(plain(a["optimization"]["reason"])))
    out.print(table)
    for line in a["recommendations"]:
        out.print(Text(f"  • {plain(line)}"))
