"""What a clause has asked of a table so far: operators in their order, a target, whether it is a question."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re
from dataclasses import dataclass, field

from intendant.language.grammar import grammar
from intendant.planner.frames.clauses import VERBS
from intendant.planner.frames.pattern import Hit, Scene
from intendant.planner.frames.trees import both, show, tree
from intendant.planner.words import STOP

__all__ = [
    "BUCKET",
    "EDIT",
    "GROUP",
    "HAVING",
    "JOIN",
    "ORDER",
    "SELECT",
    "Draft",
    "Op",
    "draft_of",
    "merged",
    "name_in",
    "named",
    "names",
]

JOIN, EDIT, BUCKET, GROUP, HAVING, ORDER, SELECT = range(7)
RESERVED = frozenset(
    "it them that this those these column columns field fields table tables rows data one ones file quarantine unknown null zero lower upper none".split()
)


@dataclass(frozen=True)
class Op:
    """An operator in the intent language; `stage` and `at` say where it comes in the order."""

    stage: int
    at: int
    text: str
    makes: str = ""
    uses: str = ""


@dataclass
class Draft:
    """Operators found so far; `edits` says that one of them changes the table, `asks` that something is to be shown."""

    ops: list[Op] = field(default_factory=list)
    target: str = ""
    asks: bool = False
    edits: bool = False
    quality: float = 1.0

    def add(
        self, hit: Hit | None, text: str, stage: int = EDIT, *, makes: str = "", uses: str = "", at: int = 0
    ) -> bool:
        self.ops.append(Op(stage, hit.at if hit else at, text, makes, uses))
        return True

    def ordered(self) -> list[str]:
        """The operators in the order in which they run: a filter on a derived column after it."""
        ops = sorted(self.ops, key=lambda o: (o.stage, o.at))
        for i, op in enumerate(ops):
            maker = next(
                (j for j, o in enumerate(ops) if o.makes and re.search(rf"\b{re.escape(o.makes)}\b", op.uses)), -1
            )
            if maker > i:
                ops.insert(maker, ops.pop(i))
        for i in range(len(ops) - 1):
            a, b = ops[i], ops[i + 1]
            key = re.match(r"sort by (\S+)", a.text)
            if (
                key
                and b.text.startswith("select ")
                and b.at < a.at
                and re.search(rf"\b{re.escape(key[1].strip(','))}\b", b.text)
            ):
                ops[i], ops[i + 1] = b, a
        out: list[str] = []
        for op in ops:
            if op.text.startswith("filter ") and out and out[-1].startswith("filter "):
                out[-1] = merged(out[-1], op.text)
            elif op.text not in out:
                out.append(op.text)
        return out


def merged(first: str, second: str) -> str:
    """Two filters in a row as one."""
    return "filter " + show(both((tree(first.removeprefix("filter ")), tree(second.removeprefix("filter ")))))


def draft_of(scene: Scene) -> Draft:
    """The draft of the clause."""
    found = scene.notes.setdefault("draft", Draft())
    assert isinstance(found, Draft)
    return found


def named(name: str) -> str:
    """A column's name as the language writes it."""
    return grammar().kinds.name(name)


def names(columns: list[str]) -> str:
    return ", ".join(map(named, dict.fromkeys(columns)))


def name_in(hit: Hit, group: str, *, table: bool = False) -> str:
    """The new name that words say, in small letters and underscores; "" when they can't be one."""
    raw = hit.match[group] or ""
    if raw.isdigit():
        raw = f"<I{raw}>"
    ids = re.findall(r"<([A-Z]*)(\d+)>", raw)
    if len(ids) == 1 and "I" in ids[0][0] and " " not in raw.strip():
        text = str(hit.chunks[int(ids[0][1])]["I"])
        if text.lower() in RESERVED:
            return ""
        return grammar().kinds.write_table(text) if table else named(text.rpartition(".")[2])
    words = [w for w in re.sub(r"<\w+>", "", raw).split() if w]
    words = [w.strip("_") for w in "_".join(words).split("_")]
    if len(words) > 1 and words[0] in VERBS:
        return ""
    if not words or len(words) > 4 or any(not re.fullmatch(r"[^\W\d]\w*", w) for w in words[:1]):
        return ""
    if (
        not all(re.fullmatch(r"\w+", w) for w in words)
        or any(w in STOP for w in words)
        or {words[0], words[-1]} & RESERVED
    ):
        return ""
    return named("_".join(words))
