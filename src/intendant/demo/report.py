"""What the demo found, printed for people: plans, gates, findings, quarantined rows, origins, levels, times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from intendant.types import Json

__all__ = ["aside", "closing", "finding_table", "levels", "opening", "origin_tree", "rows_table", "sentence", "title"]

Facts = Mapping[str, Json]
LEVEL = {"LOW": "green", "NORMAL": "green", "MEDIUM": "yellow", "HIGH": "dark_orange", "CRITICAL": "bold red"}
STATUS = {"succeeded": "[bold green]✓ succeeded[/]", "rolled_back": "[bold yellow]↺ rolled back[/]",
          "waiting_approval": "[bold yellow]… waits for a person[/]", "needs_answer": "[bold yellow]? asks[/]",
          "refused": "[bold yellow]⊘ refused[/]", "failed": "[bold red]✗ failed[/]"}
MOST_FINDINGS = 7
MOST_CHOICES = 4


def title(out: Console, text: str) -> None:
    out.print()
    out.rule(f"[bold]{escape(text)}", style="dim", align="left")


def opening(out: Console, lines: Iterable[tuple[str, str]]) -> None:
    """The first thing on the screen: what is running, as (name, value)."""
    grid = Table.grid(padding=(0, 2))
    for name, value in lines:
        grid.add_row(f"[dim]{name}[/]", value)
    framed(out, grid, "[bold]Intendant[/] [dim]sentences run pipelines[/]")


def framed(out: Console, body: RenderableType, name: str) -> None:
    out.print(Panel(body, title=name, title_align="left", box=box.ROUNDED, border_style="cyan", expand=False))


def sentence(out: Console, text: str, result: Facts, seconds: float) -> None:
    """One sentence and what became of it: the plan, each table's gate, findings with their mends, times."""
    out.print()
    out.print(f"[bold]“{escape(text)}”[/]")
    body: list[RenderableType] = []
    if result.get("plan"):
        body.append(Text(str(result["plan"]), style="cyan"))
    for step in result.get("steps") or ():
        body += noted(step)
    body += [gate(output) for output in result.get("outputs") or () if output["rows_written"]]
    if result.get("answer"):
        body.append(rows_table(result["answer"]["columns"], result["answer"]["rows"][:6]))
    findings = result.get("findings") or ()
    if findings and any(step.get("verb") == "check" for step in result["steps"]):
        body.append(finding_table(findings))
    elif findings:
        worst = level(ranked(findings)[0]["severity"])
        body.append(f"[green]gate[/] {len(findings)} findings on the way, worst {worst}")
    body += [escape(text) for text in troubles(result)]
    body.append(f"{STATUS.get(result['status'], escape(result['status']))} [dim]{times(result, seconds)}[/]")
    out.print(Padding(Group(*body), (0, 0, 0, 2)))


def noted(step: Facts) -> list[str]:
    """What a step tells of itself: how good a checked table is, what an optimisation brought."""
    out = []
    if step.get("completeness") is not None:
        out.append(f"complete [bold]{step['completeness']:g} %[/], consistent [bold]{step['consistency']:g} %[/], "
                   f"severity {level(step['severity'])}")
    tried = step.get("optimization")
    if tried and tried.get("before_ms") is not None:
        verdict = "[green]kept[/]" if tried["kept"] else "[yellow]no gain, reverted[/]"
        out.append(f"why slow: {escape(tried['why'])}; tried: sorted by {escape(', '.join(tried['columns']))}")
        out.append(f"measured: [bold]{tried['before_ms']:.1f} ms → {tried['after_ms']:.1f} ms[/], {verdict}")
    return out


def gate(output: Facts) -> str:
    """What the quality gate let through into a table."""
    aside = output.get("rows_quarantined") or 0
    shown = f"[green]gate[/] → {escape(output['table'])} version {output['version']}: {output['rows_written']:,} rows"
    return shown + (f", [yellow]{aside:,} set aside in quarantine[/]" if aside else "")


def troubles(result: Facts) -> list[str]:
    """Why a sentence did not succeed, and the mend."""
    out = []
    for question in result.get("questions") or ():
        out.append(str(question["text"]))
        out += [f"  – {'; '.join(str(choice['label']).splitlines())}" for choice in question["choices"][:MOST_CHOICES]]
    if result.get("reason"):
        out.append(str(result["reason"]))
    error = result.get("error")
    if error:
        out.append(" ".join(str(error[k]) for k in ("code", "message", "where", "hint") if error.get(k)))
    return out


def times(result: Facts, seconds: float) -> str:
    parts = [f"{name.removesuffix('_ms')} {ms:,.0f} ms" for name, ms in (result.get("timing_ms") or {}).items()]
    sure = result.get("confidence")
    return ", ".join([f"{seconds:.2f} s", *parts] + ([f"confidence {sure:.2f}"] if sure is not None else []))


def ranked(findings: Sequence[Facts]) -> list[Facts]:
    """The worst first, then those that touch more rows."""
    order = ("HIGH", "MEDIUM", "LOW")
    return sorted(findings, key=lambda f: (order.index(f["severity"]), -int(f.get("rows") or 0)))


def finding_table(findings: Sequence[Facts]) -> RenderableType:
    """The worst findings: how bad, where, what, and the sentence that would mend it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in ("severity", "finding", "rows", "offered mend"):
        table.add_column(column, overflow="fold", justify="right" if column == "rows" else "left")
    for f in ranked(findings)[:MOST_FINDINGS]:
        mend = escape(shortened(str(f.get("mend") or ""), 90))
        table.add_row(level(f["severity"]), escape(f["evidence"]), f"{f.get('rows') or 0:,}", f"[cyan]{mend}[/]")
    more = len(findings) - MOST_FINDINGS
    return Group(table, f"[dim]and {more} more: `intendant check TABLE`[/]") if more > 0 else table


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most - 1] + "…"


def level(word: str) -> str:
    return f"[{LEVEL.get(word, 'white')}]{escape(word)}[/]"


def rows_table(columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> Table:
    """Rows as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(escape(column), overflow="fold")
    for row in rows:
        table.add_row(*(escape(shown(value)) for value in row))
    return table


def shown(value: Json) -> str:
    if value is None:
        return "∅"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def origin_tree(origin: Facts) -> Tree:
    """Where a table or a column came from, up to the source and the sentence."""
    tree = Tree(hop(origin), guide_style="dim")
    grow(tree, origin)
    return tree


def grow(tree: Tree, origin: Facts) -> None:
    for item in origin.get("inputs") or ():
        grow(tree.add(hop(item)), item)


def hop(origin: Facts) -> str:
    intent = str(origin.get("intent") or "").strip().partition("\n")[0]
    said = f"\n[dim]“{escape(shortened(intent, 100))}”[/]" if intent else ""
    version = f" [dim]v{origin['version']}[/]" if origin.get("version") is not None else ""
    step = f"\n[cyan]{escape(origin['step'])}[/]" if origin.get("step") else ""
    return f"[bold]{escape(origin['name'])}[/]{version}{said}{step}"


def aside(out: Console, table: str, answer: Facts) -> None:
    """Rows that were set aside, one example of each reason, with how many there are of it."""
    columns: list[str] = answer["columns"]
    by_reason: dict[str, list[list[Json]]] = {}
    for row in answer["rows"]:
        by_reason.setdefault(row[columns.index("_reason")], []).append(row)
    title(out, f"Set aside, not lost: {len(answer['rows']):,} rows in quarantine.{table}")
    shown_ = [i for i, name in enumerate(columns) if name not in ("_reason", "_step", "_run")]
    examples = [[reason, len(rows), *(rows[0][i] for i in shown_)] for reason, rows in by_reason.items()]
    out.print(rows_table(["reason", "rows", *(columns[i] for i in shown_)], examples[:MOST_FINDINGS]))


def levels(out: Console, described: Iterable[tuple[str, Facts]]) -> None:
    """Strategy, severity and priority of described pipelines, and what is recommended."""
    for name, advice in described:
        out.print(f"\n[bold]{escape(name)}[/]  strategy {escape(str(advice['strategy']))}, "
                  f"severity {level(advice['severity'])}, priority {level(advice['priority'])}")
        reasons = [str(advice[part]["reason"]) for part in ("ingestion", "quality", "optimization")]
        out.print(Padding(f"[dim]because {escape('; '.join(reasons))}[/]", (0, 0, 0, 2)))
        for text in advice["recommendations"]:
            out.print(Padding(f"· {escape(str(text))}", (0, 0, 0, 2)))


def closing(out: Console, lines: Iterable[tuple[str, str]]) -> None:
    """What to try next: commands, each with what it shows."""
    title(out, "Try next")
    for command, shows in lines:
        out.print(f"[cyan]{escape(command)}[/]  [dim]{escape(shows)}[/]", soft_wrap=True)
    out.print()
