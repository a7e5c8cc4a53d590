"""The planner on held-out sentences: how often it is right, how well it finds names, how fast and how large it is.

    python bench/planner.py [--sentences 400] [--model reader.npz]

Held-out are whole catalogs that training never saw and every 29th other sentence of the bank. A plan counts as right when
it does what the hand-written one does (`planner/canonical.py`); another plan with the same result counts as wrong. Time is
processor time of one thread, so that a busy machine changes it little, and wall time beside it. Rewrites the part of
bench/planner.md between its marks.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from intendant.engines.duckdb import DuckDB
from intendant.language.plans import parse
from intendant.model.reader import READER, Reader
from intendant.model.training.catalogs import World, load_worlds
from intendant.model.training.evaluate import Outcome, outcome, shares
from intendant.model.training.generate import HELD_OUT, Pair, answer, bank, is_held_out
from intendant.operators._compile import Typing
from intendant.planner import planner as stages
from intendant.planner.ground import ground
from intendant.planner.mentions import find_mentions
from intendant.planner.planner import Planner
from intendant.planner.propose import Embedded
from intendant.planner.words import words_of

PAGE = Path(__file__).with_suffix(".md")
MARKS = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.S)


STAGES: tuple[tuple[str, Any, str], ...] = (
    ("ground", stages, "ground"),
    ("frames", stages, "read"),
    ("encode", Reader, "read"),
    ("decode", Reader, "steps"),
    ("search", Embedded, "propose"),
    ("check", stages, "merged"),
)
"""What a sentence goes through, each with the function it is timed in."""


class Watch:
    """Processor seconds of each stage, those inside it not counted; of the sentences between two `lap`s."""

    def __init__(self) -> None:
        self.local = threading.local()
        self.spent: dict[str, float] = defaultdict(float)
        self.laps: list[dict[str, float]] = []
        for stage, owner, name in STAGES:
            setattr(owner, name, self.timed(stage, getattr(owner, name)))

    def timed(self, stage: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def outer(*given: Any, **named: Any) -> Any:
            inside = self.local.__dict__.setdefault("inside", [])
            begun = time.thread_time()
            inside.append(0.0)
            try:
                return inner(*given, **named)
            finally:
                whole = time.thread_time() - begun
                self.spent[stage] += whole - inside.pop()
                if inside:
                    inside[-1] += whole

        return outer

    def lap(self) -> None:
        self.laps.append(dict(self.spent))
        self.spent.clear()

    def report(self) -> str:
        return ", ".join(f"{s} {quantiles([lap.get(s, 0.0) for lap in self.laps[1:]])}" for s, _, _ in STAGES)


def held_out(worlds: dict[str, World], most: int) -> list[Pair]:
    found = [p for i, p in enumerate(bank()) if is_held_out(p, i) and p.catalog in worlds]
    return found[:: max(1, len(found) // most)][:most] if most else found


def recall(pairs: Sequence[Pair], worlds: dict[str, World]) -> tuple[int, int, int]:
    """(names of columns and tables in the plans that a piece of the sentence names, those among that piece's first five
    readings, those shown to the reader at all)."""
    named = first = shown = 0
    for p in pairs:
        if answer(p.plan) is not None:
            continue
        world = worlds[p.catalog]
        words = words_of(p.text)
        mentions = find_mentions(words, lambda w: True, world.index, frozenset())
        candidates = {c.text for c in ground(p.text, world.index).candidates.values()}
        said = {w.norm for w in words}
        for entry in {e.text: e for e in world.index.entries if e.family in "CMWBTR"}.values():
            if not re.search(rf"(?<![\w.\"]){re.escape(entry.text)}(?![\w\"])", p.plan) or not set(entry.parts) <= said:
                continue
            named += 1
            first += any(entry.text in [e.text for e in m.entries[:5]] for m in mentions)
            shown += entry.text in candidates
    return named, first, shown


def timed(
    pairs: Sequence[Pair], worlds: dict[str, World], model: Path | None, watch: Watch
) -> tuple[list[Outcome], list[float]]:
    """The outcomes, and the processor seconds of each."""
    typing = Typing(DuckDB())
    planner = Planner(model, typing)
    out, spent = [], []
    for p in pairs:
        at = time.process_time()
        out.append(outcome(planner, p, worlds[p.catalog], typing))
        spent.append(time.process_time() - at)
        watch.lap()
    return out, spent


def quantiles(seconds: Sequence[float]) -> str:
    ordered = sorted(1000 * s for s in seconds)
    return f"{statistics.median(ordered):.0f} / {ordered[int(0.95 * len(ordered))]:.0f}"


def row(name: str, found: Sequence[Outcome]) -> str:
    s = shares(found)
    keys = ("plans", "right", "offered", "wrong", "wrong_unconfirmed", "asked", "refused", "no_plan", "caught")
    return f"| {name} | " + " | ".join(str(s[k]) for k in keys) + " |"


def report(pairs: Sequence[Pair], worlds: dict[str, World], model: Path | None) -> str:
    watch = Watch()
    found, spent = timed(pairs, worlds, model, watch)
    named, first, shown = recall(pairs, worlds)
    file = model or READER
    size = sum(f.stat().st_size for f in (file, file.with_suffix(".pieces"))) / 2**20
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = [
        f"{len(found)} held-out sentences on {platform.machine()}, Python {platform.python_version()}, one BLAS thread.",
        "",
        "| sentences | with a plan | right | right or among three choices | wrong | wrong unasked | asked | refused | without | caught |",
        "|---|---|---|---|---|---|---|---|---|---|",
        row("all", found),
        row("of catalogs never seen", [o for o in found if o.pair.catalog in HELD_OUT]),
        row("several steps", [o for o in found if answer(o.pair.plan) is None and len(parse(o.pair.plan).steps) > 1]),
        "",
        f"Names that the sentence says: {named}; among the first five readings of their words {100 * first / max(named, 1):.1f} %, "
        f"shown to the reader {100 * shown / max(named, 1):.1f} %.",
        "",
        f"Milliseconds a sentence, median / 95th percentile: processor {quantiles(spent[1:])}, "
        f"wall {quantiles([o.seconds for o in found[1:]])}. Model files {size:.1f} MB, resident {resident:.0f} MB at most.",
        "",
        f"Of the processor's time: {watch.report()}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    worlds = load_worlds()
    text = report(held_out(worlds, given.sentences), worlds, given.model)
    print(text)
    if given.model is None:
        PAGE.write_text(MARKS.sub(lambda m: f"{m[1]}{text}{m[2]}", PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
