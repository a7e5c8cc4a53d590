"""Lineage as a graph to be drawn: states of tables, sources and files, linked column by column, in layers from left to right.

A table that a step adds to again and again is one node for all of these runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from intendant.lake import Lake
from intendant.run.journal import Journal
from intendant.run.lineage import made, maker, named, published
from intendant.types import Event

__all__ = ["Graph", "Link", "Node", "graph", "sources_of"]

ADDING = ("append", "upsert")
SWEEPS = 4
"""Times that the nodes of a layer are put in the order of their neighbours."""


@dataclass
class Node:
    """A table in one state, a source or a file (`kind`); `columns` are those that matter here. `runs` made it by `step`, the
    last of them `run`, because of the sentence `intent`; it `adds` to what was there."""

    key: str
    kind: str
    name: str
    columns: list[str] = field(default_factory=list)
    version: int | None = None
    step: str = ""
    run: str = ""
    intent: str = ""
    at: str = ""
    runs: int = 1
    adds: bool = False
    layer: int = 0


@dataclass(frozen=True)
class Link:
    """Values went from a node's column to another's; "" where it is known of the tables only."""

    left: str
    left_column: str
    right: str
    right_column: str


@dataclass(frozen=True)
class Graph:
    """`nodes` in order: layer by layer, from top to bottom. `name` is what was asked for."""

    name: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]


def graph(journal: Journal, lake: Lake, name: str) -> Graph:
    """Where "table" or "table.column" came from. Raises UnknownName."""
    tables = {t: [c.name for c in lake.snapshot(t).columns] for t in lake.names()}
    table, column = named(name, tables)
    walk = Walk(published(journal), tables)
    for wanted in [column] if column else tables[table] or [""]:
        walk.visit(table, wanted, None)
    nodes = arranged(walk.nodes, walk.links)
    at = {(n.key, c): (i, j) for i, n in enumerate(nodes) for j, c in enumerate(n.columns)}
    for n in nodes:
        if n.kind != "table":  # as who reads them has them
            into = {
                x.left_column: at[x.right, x.right_column]
                for x in reversed(walk.links)
                if x.left == n.key and x.left_column
            }
            n.columns.sort(key=lambda c: into[c])
    return Graph(name, nodes, tuple(walk.links))


def sources_of(journal: Journal, lake: Lake, name: str) -> dict[str, list[tuple[str, str]]]:
    """What each column of "table" (or the one of "table.column") was made of last: (table, source or file; column).

    What a step added its rows to counts with what made that. Raises UnknownName.
    """
    found = graph(journal, lake, name)
    kinds = {n.key: n for n in found.nodes}
    table, _ = named(name, {t: [c.name for c in lake.snapshot(t).columns] for t in lake.names()})
    last = maker(published(journal), table, None)
    own, out = [f"{table}@{last.seq if last else ''}"], dict[str, list[tuple[str, str]]]()
    for key in own:
        for x in found.links:
            if x.right != key or not x.left_column:
                continue
            if kinds[x.left].name == table and kinds[x.left].kind == "table" and kinds[key].adds:
                own += [x.left] * (x.left not in own)
            else:
                into = out.setdefault(x.right_column, [])
                into += [(kinds[x.left].name, x.left_column)] * ((kinds[x.left].name, x.left_column) not in into)
    return out


class Walk:
    """Goes back from a column to what it was made of, each state of a table once."""

    def __init__(self, history: Mapping[str, list[Event]], tables: Mapping[str, list[str]]) -> None:
        self.history, self.tables = history, tables
        self.nodes: dict[str, Node] = {}
        self.links: dict[Link, None] = {}
        self.seen: set[tuple[str, str]] = set()

    def visit(self, table: str, column: str, before: int | None) -> str:
        """The node of the table as it was before a fact of the journal, with what this column of it came from."""
        todo = [(table, column, before)]
        first = ""
        while todo:
            table, column, before = todo.pop()
            node, event = self.state(table, before)
            first = first or node.key
            if (node.key, column) in self.seen:
                continue
            self.seen.add((node.key, column))
            if column and column not in node.columns:
                node.columns.append(column)
                order = {c: i for i, c in enumerate(self.tables.get(table, ()))}
                node.columns.sort(key=lambda c: order.get(c, len(order)))
            if event is not None:
                todo += self.behind(node, event, column)
        return first

    def behind(self, node: Node, event: Event, column: str) -> list[tuple[str, str, int]]:
        """Links the column to what it was made of; the columns of tables to go on with."""
        out, inputs = [], event.data.get("inputs", {})
        for source in event.data.get("columns", {}).get(column, ()):
            parent, _, child = source.rpartition(".")
            if parent in inputs:
                out.append((parent, child, event.seq))
                self.link(self.state(parent, event.seq)[0].key, child, node.key, column)
            else:
                self.link(self.outside("source", parent, child), child, node.key, column)
        if event.data.get("file"):
            self.link(self.outside("file", event.data["file"], column), column, node.key, column)
        for parent in inputs:
            if not any(
                source.rpartition(".")[0] == parent for s in event.data.get("columns", {}).values() for source in s
            ):
                out.append((parent, "", event.seq))
                self.link(self.state(parent, event.seq)[0].key, "", node.key, "")
        earlier = self.earlier(event)
        if earlier is not None:
            out.append((node.name, column, earlier.seq + 1))
            self.link(self.state(node.name, earlier.seq + 1)[0].key, column, node.key, column)
        return out

    def state(self, table: str, before: int | None) -> tuple[Node, Event | None]:
        event = maker(self.history, table, before)
        key = f"{table}@{event.seq if event else ''}"
        if key not in self.nodes:
            d: Mapping[str, object] = event.data if event else {}
            node = Node(key, "table", table)
            if event is not None:
                node.version, node.run, node.at = event.data.get("version"), event.run, event.at
                node.step, node.intent = str(d.get("step") or ""), str(d.get("intent") or "")
                node.runs, node.adds = self.runs(event), event.data.get("mode") in ADDING
            self.nodes[key] = node
        return self.nodes[key], event

    def outside(self, kind: str, name: str, column: str) -> str:
        node = self.nodes.setdefault(f"{kind}:{name}", Node(f"{kind}:{name}", kind, name))
        if column and column not in node.columns:
            node.columns.append(column)
        return node.key

    def link(self, left: str, left_column: str, right: str, right_column: str) -> None:
        self.links[Link(left, left_column, right, right_column)] = None

    def earlier(self, event: Event) -> Event | None:
        """What the table was made by before, where the step added to it; its own earlier runs count as the same."""
        at: Event | None = event
        while at is not None and at.data.get("mode") in ADDING:
            at = made(self.history, event.data["table"], at.seq)
            if at is None or not alike(at, event):
                return at
        return None

    def runs(self, event: Event) -> int:
        at: Event | None = event
        n = 0
        while at is not None and alike(at, event):
            n += 1
            at = made(self.history, event.data["table"], at.seq) if at.data.get("mode") in ADDING else None
        return n


def alike(a: Event, b: Event) -> bool:
    return (
        a.data.get("mode") in ADDING and bool(a.data.get("step")) and a.data.get("step") == b.data.get("step")
    ) or a is b


def arranged(nodes: Mapping[str, Node], links: Mapping[Link, None]) -> tuple[Node, ...]:
    """Each node right of all that it is made of, beside its neighbours."""
    left: dict[str, set[str]] = {k: set() for k in nodes}
    right: dict[str, set[str]] = {k: set() for k in nodes}
    for x in links:
        left[x.right].add(x.left)
        right[x.left].add(x.right)
    waiting = dict.fromkeys(nodes)
    while waiting:
        free = [k for k in waiting if not left[k] & waiting.keys()] or list(waiting)
        for k in free:
            nodes[k].layer = max((nodes[p].layer + 1 for p in left[k] if p not in waiting), default=0)
        for k in free:
            del waiting[k]
    for k in sorted(nodes, key=lambda k: -nodes[k].layer):  # what feeds one step only stands right before it
        if right[k]:
            nodes[k].layer = max(nodes[k].layer, min(nodes[n].layer for n in right[k]) - 1)
    layers = [[k for k in nodes if nodes[k].layer == n] for n in range(max(n.layer for n in nodes.values()) + 1)]
    for sweep in range(SWEEPS):
        place = {k: i for row in layers for i, k in enumerate(row)}
        beside = left if sweep % 2 == 0 else right
        for row in layers:
            row.sort(key=lambda k: sum(place[n] for n in beside[k]) / len(beside[k]) if beside[k] else place[k])
    return tuple(nodes[k] for row in layers for k in row)
