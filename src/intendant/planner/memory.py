"""Memory: what people made of plans for sentences, kept in the workspace, and what follows for the next sentence like it.

An example is a sentence, its form with slots for the names and literals that the plan uses, the plan over these slots, and
a verdict. The file is `.intendant/memory.sqlite`; nothing of it leaves the machine.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from intendant.catalog import Catalog
from intendant.errors import Damaged, IntendantError, LakeError
from intendant.language.plans import parse, print_plan
from intendant.planner.decode import decode
from intendant.planner.ground import Grounding
from intendant.planner.ids import Undecided
from intendant.planner.pattern import Pattern, fitted, pattern_of
from intendant.planner.secrecy import holds_secret
from intendant.planner.skeleton import (
    Places,
    Token,
    filled,
    folded,
    places_of,
    scene_of,
    scenes,
    still_there,
    tokens_of,
)
from intendant.types import Plan

__all__ = ["FILE", "MOST", "VERDICTS", "Example", "Memory", "Verdict", "catalog_key"]

FILE = "memory.sqlite"
MOST = 2_000
"""Examples, and answers, that are kept; the oldest go first."""
Verdict = Literal["approved", "corrected", "answered", "rejected", "waiting"]
VERDICTS: tuple[Verdict, ...] = ("approved", "corrected", "answered", "rejected", "waiting")
GOOD = ("approved", "corrected", "answered")
SCHEMA = """
CREATE TABLE IF NOT EXISTS examples (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, run TEXT NOT NULL, verdict TEXT NOT NULL,
  sentence TEXT NOT NULL, folded TEXT NOT NULL, pattern TEXT NOT NULL, plan TEXT NOT NULL, tokens TEXT NOT NULL,
  scene TEXT NOT NULL, places TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
  at TEXT NOT NULL, catalog TEXT NOT NULL, slot TEXT NOT NULL, skeleton TEXT NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (catalog, slot, skeleton)
);
"""
COLUMNS = "id, at, run, verdict, sentence, folded, pattern, plan, tokens, scene, places"
SAME = "verdict != 'waiting' AND folded = ? AND plan = ? AND scene = ?"
NEWEST = "SELECT {} FROM examples WHERE {} ORDER BY id DESC"


@dataclass(frozen=True)
class Example:
    """A sentence, its plan in the intent language, and what a person made of it. `places` are the tables and resources
    in play with their columns: {"tables": {name: [[column, type], ...]}, "resources": {...}}.
    """

    id: int
    at: str
    run: str
    verdict: Verdict
    sentence: str
    plan: str
    pattern: Pattern
    tokens: tuple[Token, ...]
    """The plan over the pattern's slots; empty where ids can't say it."""
    scene: str
    places: Places

    @property
    def folded(self) -> str:
        return folded(self.sentence)

    def over(self, grounding: Grounding) -> Plan | None:
        """The plan for another sentence of the same form, or None where it doesn't carry over to it."""
        if self.scene not in scenes(grounding):
            return None
        ids = fitted(self.pattern, grounding)
        own = self.folded == folded(grounding.sentence)
        if ids is None and not own:
            return None
        here = still_there(self.places, grounding.catalog)
        try:
            text = filled(self.tokens, ids, grounding, bound=here) if ids is not None else ""
            if text:
                return decode(text, grounding)
            return parse(self.plan) if here and own else None
        except (Undecided, IntendantError):
            return None


class Memory:
    """The examples and answers of a workspace. Safe for threads and processes; looking never raises.

    `trouble` is why the last look found nothing though there is a file: a Damaged or LakeError. `secrets()` are texts
    that must not be kept: a sentence or a plan that holds one, or looks as if it did, is not remembered.
    """

    def __init__(self, path: Path, secrets: Callable[[], list[str]] = list) -> None:
        self.path, self.secrets = path, secrets
        self.trouble: IntendantError | None = None
        self.held: tuple[object, list[Example]] = (None, [])

    # ------------------------------------------------------------ looking
    def recall(self, grounding: Grounding) -> list[tuple[Plan, float]]:
        """The plan that people agreed on for this sentence or its form, with a weight; empty where they did not.

        1.0: this very sentence was approved, corrected or answered. Otherwise n examples of its form agree: (n + 1) / (n + 2),
        Laplace's rule of succession. Plans that were rejected are never among them.
        """
        refused = self.rejected(grounding)
        found = [(e, text) for e, text in made(self._all(), grounding, GOOD) if text not in refused]
        own = [text for e, text in found if e.folded == folded(grounding.sentence)]
        if own:
            return [(parse(own[0]), 1.0)]
        newest: dict[str, str] = {}
        for e, text in found:
            newest.setdefault(e.folded, text)
        n = len(newest)
        return [(parse(found[0][1]), (n + 1) / (n + 2))] if len(set(newest.values())) == 1 else []

    def rejected(self, grounding: Grounding) -> frozenset[str]:
        """The printed plans that people said no to, for this sentence or else for one of its form, and not yes since."""
        last: dict[str, str] = {}
        own = folded(grounding.sentence)
        found = made(self._all(), grounding, (*GOOD, "rejected"))
        for e, text in sorted(found, key=lambda m: m[0].folded != own):
            last.setdefault(text, e.verdict)
        return frozenset(text for text, verdict in last.items() if verdict == "rejected")

    def answer_for(self, catalog: str, slot: str, skeleton: str) -> str | None:
        """What a person answered to this question over this catalog (`catalog_key`) for such a sentence."""
        found = self._look(
            "SELECT answer FROM answers WHERE catalog = ? AND slot = ? AND skeleton = ?", (catalog, slot, skeleton)
        )
        return str(found[0][0]) if found else None

    def examples(self, verdicts: tuple[str, ...] = VERDICTS) -> list[Example]:
        """All examples of these verdicts, oldest first. Raises Damaged, LakeError."""
        if not self.path.exists():
            return []
        marks = ", ".join("?" * len(verdicts))
        with self._guard() as db:
            rows = db.execute(
                f"SELECT {COLUMNS} FROM examples WHERE verdict IN ({marks}) ORDER BY id", verdicts
            ).fetchall()
        try:
            return [example(row) for row in rows]
        except (ValueError, TypeError, IndexError) as e:
            raise self._damaged(str(e)) from None

    def answers(self) -> list[dict[str, str]]:
        """All answers: [{"at", "slot", "skeleton", "answer"}], oldest first. Raises Damaged, LakeError."""
        if not self.path.exists():
            return []
        with self._guard() as db:
            rows = db.execute("SELECT at, slot, skeleton, answer FROM answers ORDER BY at").fetchall()
        return [dict(zip(("at", "slot", "skeleton", "answer"), map(str, row), strict=True)) for row in rows]

    # ------------------------------------------------------------ keeping
    def remember(self, grounding: Grounding, plan: Plan, verdict: Verdict, *, run: str = "") -> bool:
        """Keeps an example; the same sentence with the same plan takes the newest verdict. False where it holds a secret.

        Raises Damaged, LakeError.
        """
        text = print_plan(plan)
        if holds_secret(f"{grounding.sentence}\n{text}", self.secrets()):
            return False
        tokens = tokens_of(plan, grounding)
        scene = scene_of(tokens, grounding)
        own = folded(grounding.sentence)
        pattern = pattern_of(grounding, [t for t in tokens if isinstance(t, str)])
        places = dumped(places_of(plan, grounding.catalog))
        values = (now(), run, verdict, grounding.sentence, own, dumped(pattern), text, dumped(tokens), scene, places)
        with self._guard() as db:
            if verdict != "waiting":
                db.execute(f"DELETE FROM examples WHERE {SAME}", (own, text, scene))
            named, marks = COLUMNS.removeprefix("id, "), ", ".join("?" * len(values))
            db.execute(f"INSERT INTO examples ({named}) VALUES ({marks})", values)
            db.execute("DELETE FROM examples WHERE id <= (SELECT max(id) FROM examples) - ?", (MOST,))
        return True

    def decided(self, run: str, verdict: Verdict) -> bool:
        """The verdict on the example that waits under this run's id; whether there was one. Raises Damaged, LakeError."""
        if not self.path.exists():
            return False
        with self._guard() as db:
            row = db.execute(NEWEST.format(COLUMNS, "run = ? AND verdict = 'waiting'"), (run,)).fetchone()
            if row is None:
                return False
            db.execute(f"DELETE FROM examples WHERE {SAME}", (row[5], row[7], row[9]))
            db.execute("UPDATE examples SET verdict = ?, at = ? WHERE id = ?", (verdict, now(), row[0]))
        return True

    def remember_answer(self, catalog: str, slot: str, skeleton: str, answer: str) -> bool:
        """Keeps an answer; a newer one to the same question replaces it. False where it holds a secret.

        Raises Damaged, LakeError.
        """
        if holds_secret(f"{skeleton}\n{answer}", self.secrets()):
            return False
        with self._guard() as db:
            db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", (now(), catalog, slot, skeleton, answer)
            )
            db.execute("DELETE FROM answers WHERE rowid <= (SELECT max(rowid) FROM answers) - ?", (MOST,))
        return True

    def forget(self, number: int | None = None, *, run: str = "") -> int:
        """Forgets one example by its number, those of a run, or everything, a damaged file too; how many examples went.

        Raises Damaged, LakeError.
        """
        if not self.path.exists():
            return 0
        if number is not None or run:
            with self._guard() as db:
                what, which = ("id", number) if number is not None else ("run", run)
                return db.execute(f"DELETE FROM examples WHERE {what} = ?", (which,)).rowcount
        try:
            with self._guard() as db:
                gone = db.execute("DELETE FROM examples").rowcount
                db.execute("DELETE FROM answers")
            return gone
        except Damaged:
            self._removed()
            return 0

    def _removed(self) -> None:
        try:
            for end in ("", "-journal"):
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        except OSError as e:
            hint = "Look at the folder's rights, or remove the file by hand."
            raise LakeError(f"the memory can't be removed: {e.strerror}", where=str(self.path), hint=hint) from None

    # ------------------------------------------------------------ the file
    def _all(self) -> list[Example]:
        """Examples, newest first; read again when the file has changed."""
        mark = self._mark()
        if mark is None or mark != self.held[0]:
            rows = self._look(NEWEST.format(COLUMNS, "true"), ())
            try:
                self.held = (mark, [example(row) for row in rows])
            except (ValueError, TypeError, IndexError) as e:
                self.trouble, self.held = self._damaged(str(e)), (None, [])
        return self.held[1]

    def _mark(self) -> tuple[int, bytes] | None:
        """The file and its change counter, which SQLite raises with every transaction; None where there is none."""
        try:
            with self.path.open("rb") as file:
                return os.fstat(file.fileno()).st_ino, file.read(100)[24:28]
        except OSError:
            return None

    def _look(self, sql: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        self.trouble = None
        if not self.path.exists():
            return []
        try:
            with self._guard() as db:
                return db.execute(sql, values).fetchall()
        except IntendantError as e:
            self.trouble = e
            return []

    @contextmanager
    def _guard(self) -> Iterator[sqlite3.Connection]:
        """A connection in one transaction."""
        try:
            with closing(sqlite3.connect(self.path, timeout=10)) as db:
                db.execute("PRAGMA synchronous = FULL")
                if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone():
                    db.executescript(SCHEMA)
                with db:
                    yield db
        except sqlite3.DatabaseError as e:
            name = getattr(e, "sqlite_errorname", "")
            if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "no such column" in str(e):
                raise self._damaged(str(e)) from None
            hint = "Look at the folder's rights and space."
            raise LakeError(f"the planner's memory can't be used: {e}", where=str(self.path), hint=hint) from None

    def _damaged(self, why: str) -> Damaged:
        return Damaged(
            f"the planner's memory is damaged ({why})",
            where=str(self.path),
            hint="Start it anew: `intendant model forget --all`, or restore the file from a copy. Sentences run without it.",
        )


def made(like: list[Example], grounding: Grounding, verdicts: tuple[str, ...]) -> list[tuple[Example, str]]:
    """Examples of these verdicts with their plans over the grounding, printed; those that carry over to it."""
    out = []
    for e in like:
        plan = e.over(grounding) if e.verdict in verdicts else None
        if plan is not None:
            out.append((e, print_plan(plan)))
    return out


def catalog_key(catalog: Catalog, slot: str) -> str:
    """What an answer to a question about `slot` depends on: the names that could have been answered, in one text."""
    names: list[str] = []
    if slot != "resource":
        names += [f"table {t}" for t in catalog.tables if not t.startswith("quarantine.")]
    if slot != "table":
        names += [f"resource {r}" for r in catalog.resources]
    return "\n".join(sorted(names))


def example(row: tuple[object, ...]) -> Example:
    """Raises ValueError, TypeError where the row holds something else."""
    number, at, run, verdict, sentence, _, pattern, plan, tokens, scene, places = row
    if verdict not in VERDICTS:
        raise ValueError(f"the verdict {verdict!r}")
    held = json.loads(str(places))
    if not isinstance(held, dict) or not all(isinstance(v, dict) for v in held.values()):
        raise ValueError("the places of an example")
    parts = tuple(t if isinstance(t, str) else (str(t[0]), str(t[1])) for t in json.loads(str(tokens)))
    form = tuple(p if isinstance(p, str) else tuple((str(i), int(n)) for i, n in p) for p in json.loads(str(pattern)))
    said = next(v for v in VERDICTS if v == verdict)
    return Example(
        int(str(number)), str(at), str(run), said, str(sentence), str(plan), form, parts, str(scene), held
    )  # fmt: skip


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
