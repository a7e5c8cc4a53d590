"""One sentence said otherwise: other words for the same, and the typos that fingers make."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from intendant.model.training.templates import WRAPPERS

__all__ = ["SWAPS", "misspelt", "varied"]

SWAPS: Mapping[str, tuple[str, ...]] = {
    "show": ("display", "list", "give me", "show me", "print"),
    "remove": ("delete", "drop", "get rid of", "throw out", "take out"),
    "pull": ("fetch", "get", "grab", "load", "bring in", "import", "retrieve", "ingest", "collect"),
    "latest": ("newest", "most recent", "last", "freshest"),
    "rows": ("records", "entries", "lines", "rows"),
    "store": ("save", "put", "keep", "land"),
    "check": ("verify", "inspect", "test", "examine", "audit"),
    "table": ("table", "dataset", "data set"),
    "column": ("field", "column", "attribute"),
    "add": ("create", "compute", "append", "make", "calculate"),
    "average": ("mean", "avg"),
    "total": ("sum of", "overall"),
    "find": ("figure", "work", "find"),
    "slow": ("sluggish", "slow", "crawling"),
    "speed": ("speed",),
    "set": ("set", "put"),
    "analyze": ("analyse", "review", "assess", "scan", "inspect", "examine"),
    "issues": ("problems", "errors", "defects"),
    "suggest": ("recommend", "propose", "advise"),
    "remediation": ("repair", "fix", "cleanup"),
    "provision": ("create", "set up", "build", "spin up", "provision"),
    "export": ("write", "save", "dump", "export"),
    "refresh": ("update", "rebuild", "refresh"),
    "keep": ("retain", "keep"),
    "create": ("make", "build", "produce"),
    "missing": ("empty", "null", "blank", "absent"),
    "highest": ("largest", "biggest", "greatest"),
    "nightly": ("nightly",),
    "per": ("by", "for each", "per"),
    "temporary": ("temp", "temporary", "scratch"),
    "fix": ("repair", "solve", "improve"),
    "rename": ("rename", "relabel"),
    "archive": ("archive",),
    "calculated": ("computed", "derived", "calculated"),
    "query": ("query", "report"),
}


def varied(text: str, rng: random.Random) -> str:
    """The sentence in other words, letters or dress."""
    if rng.random() < 0.35:
        text = re.sub(
            r"[a-z]+", lambda m: rng.choice(SWAPS[m[0]]) if m[0] in SWAPS and rng.random() < 0.4 else m[0], text
        )
    if rng.random() < 0.4:
        text = rng.choice(WRAPPERS).format(text.rstrip("."))
    if rng.random() < 0.12:
        text = misspelt(text, rng)
    if rng.random() < 0.3:
        text = text.lower()
    elif rng.random() < 0.5:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.3:
        text = text.rstrip(".!") + rng.choice((".", "", "!", "..."))
    return text


def misspelt(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    places = [i for i, w in enumerate(words) if w.isalpha() and len(w) > 4]
    if not places:
        return text
    i = rng.choice(places)
    w, at = words[i], rng.randrange(1, len(words[i]) - 1)
    words[i] = rng.choice((w[:at] + w[at + 1] + w[at] + w[at + 2 :], w[:at] + w[at + 1 :], w[:at] + w[at] + w[at:]))
    return " ".join(words)
