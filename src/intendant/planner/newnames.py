"""Names that a sentence gives to things that don't exist yet: "call it cust_id", "a column for total revenue"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intendant.planner.words import COMMANDS, STOP, Word

__all__ = ["NewName", "find_names"]

BEFORE = frozenset(
    "table becomes become as into called named titled call name to in labelled labeled dubbed save saved result output out"
    " target label columns fields".split()
)
ARITHMETIC = frozenset("times plus minus divided multiplied over * / + -".split())
END = (
    STOP
    | ARITHMETIC
    | frozenset(
        """then only where using rename derive filter sort group join keep drop remove add schedule refresh run
    check export limit partition partitioned sorted daily nightly hourly weekly monthly every please based computed calculated
    equal equals being showing containing holding joined matching table column field instead ordered desc descending asc
    ascending replace overwrite overwriting append appending version lowercase uppercase text number integer date timestamp
    boolean decimal string float json becomes become quarantine review zero production cold staging person
    ones one sure others rest tbl col cols""".split()
    )
)
SKIP = frozenset(
    "a an the new it them that this column field table called named name store mart view temporary temp separate".split()
)
ADD = frozenset("add create compute calculate derive make build include append introduce insert".split())
NOUNS = frozenset("column field col attribute feature flag".split())
STORES = frozenset("store mart datamart warehouse cube lakehouse storage archive copy dataset".split())
NAME = re.compile(r"[^\W\d]\w*\Z")


@dataclass(frozen=True)
class NewName:
    """`at`..`end` is the span that says it, empty for a name made up here; `texts` are its readings."""

    at: int
    end: int
    texts: tuple[str, ...]


def find_names(words: Sequence[Word], free: list[bool], is_known: list[bool]) -> Iterator[NewName]:
    """New names by their cues. `free[i]`: the word is in no literal; `is_known[i]`: it says an existing name."""
    for i, word in enumerate(words):
        if word.is_name and free[i] and not is_known[i] and re.fullmatch(r"(?:staging\.)?[^\W\d]\w*", word.text):
            yield NewName(word.at, word.end, (word.text,))
        elif word.lower in BEFORE and i + 1 < len(words):
            yield from phrase(words, i + 1, free, 3, staging=near_staging(words, i))
            yield from listed(words, i + 1, free)
        elif word.text in "(:/" and i + 1 < len(words):
            yield from listed(words, i + 1, free)
        elif word.lower in NOUNS and i + 1 < len(words):
            after = i + 1
            if words[after].lower in ("for", "with", "of", "holding", "showing", "containing", "that", "=", ":"):
                after += 1
            yield from phrase(words, after, free, 3)
        elif word.lower in ADD and i + 1 < len(words):
            yield from phrase(words, i + 1, free, 3)
        elif word.lower in STORES:
            yield from store(words, i, free)
        elif (word.text == ">" and i and words[i - 1].text in "-=" and words[i - 1].end == word.at) or word.text in (
            "→",
            "⇒",
        ):
            yield from phrase(words, i + 1, free, 3)
        elif word.text == "=" and i and not is_known[i - 1]:
            yield from before(words, i, free, is_known)
        elif is_alone(words, i, free, is_known):
            yield NewName(word.at, word.end, (word.text,))


RENAMING = frozenset(
    "rename renamed renaming relabel call called calling prefix prefixes names headers header columns fields nicer".split()
)
COURTESY = frozenset(
    "thanks thank thx cheers pls ok okay asap now again first too right hello hi hey dear so also next finally".split()
)


def is_alone(words: Sequence[Word], i: int, free: list[bool], is_known: list[bool]) -> bool:
    """A name that stands by itself: "sleepers: contacts without ...", "..., ratio", "rename lngSite site, strKind kind"."""
    word = words[i]
    if (
        not free[i]
        or is_known[i]
        or not NAME.match(word.text)
        or word.lower in END | COURTESY | COMMANDS
        or len(word.text) < 2
    ):
        return False
    before = words[i - 1].text if i else "."
    after = words[i + 1].text if i + 1 < len(words) else ""
    ends = i + 1 == len(words) or (i + 2 == len(words) and after in ".!")
    return (
        (before in ".;" and after == ":")
        or (ends and before in (",", "?", ";", ":", "—", "-"))
        or (i > 0 and is_known[i - 1] and (ends or after in (",", ";")) and any(w.lower in RENAMING for w in words))
    )


SIGNS = (",", "/", "&", "+", "and")


def listed(words: Sequence[Word], i: int, free: list[bool]) -> Iterator[NewName]:
    """Single words of a list, "as month, amount" or "(question, points)": each may be a name."""
    run: list[Word] = []
    while i < len(words) and len(run) < 5 and free[i] and NAME.match(words[i].text):
        run.append(words[i])
        if i + 1 >= len(words) or words[i + 1].text.lower() not in SIGNS:
            break
        i += 2
    if len(run) > 1:
        yield from (NewName(w.at, w.end, (w.text,)) for w in run if w.lower not in END and not w.is_name)


def near_staging(words: Sequence[Word], i: int) -> bool:
    return any(w.lower == "staging" for w in words[max(0, i - 4) : i + 1])


def phrase(words: Sequence[Word], i: int, free: list[bool], most: int, staging: bool = False) -> Iterator[NewName]:
    """The noun phrase from word i on, as one name; its first word alone is a second reading."""
    while i < len(words) and words[i].lower in SKIP:
        i += 1
    run: list[Word] = []
    while i < len(words) and len(run) < most and free[i] and words[i].lower not in END and NAME.match(words[i].text):
        run.append(words[i])
        i += 1
        if run[-1].is_name:
            break
    after = words[i].lower if i < len(words) else ""
    if not run or after in ARITHMETIC or (len(run) == 1 and run[0].lower in COMMANDS and after not in ("as", "=")):
        return
    whole = "_".join(w.lower if not w.is_name else w.text for w in run)
    texts = [whole] + ([run[0].lower] if len(run) > 2 else [])
    if len(run) > 1 and all(w.text[0].isupper() for w in run):
        texts.append(" ".join(w.text for w in run))
    if staging:
        texts = [f"staging.{texts[0]}", *texts]
    yield NewName(run[0].at, run[-1].end, tuple(texts))


def before(words: Sequence[Word], i: int, free: list[bool], is_known: list[bool]) -> Iterator[NewName]:
    """days late = ... -> days_late; the phrase before the sign."""
    run: list[Word] = []
    j = i - 1
    while (
        j >= 0 and len(run) < 3 and free[j] and NAME.match(words[j].text) and words[j].lower not in (*END, *ADD, *NOUNS)
    ):
        run.insert(0, words[j])
        j -= 1
    if run:
        yield NewName(run[0].at, run[-1].end, ("_".join(w.lower if not w.is_name else w.text for w in run),))


def store(words: Sequence[Word], i: int, free: list[bool]) -> Iterator[NewName]:
    """a sales mart -> sales_mart; a store for the parking data -> parking_store."""
    kind = words[i].lower
    before = words[i - 1] if i else None
    plain = (
        "new",
        "columnar",
        "column",
        "analytical",
        "analytics",
        "fast",
        "separate",
        "a",
        "the",
        "data",
        "dedicated",
        "columnstore",
    )
    if before and free[i - 1] and NAME.match(before.text) and before.lower not in STOP and before.lower not in plain:
        yield NewName(before.at, words[i].end, (f"{before.lower}_{kind}",))
    for j in range(i + 1, min(i + 5, len(words))):
        if words[j].lower in ("for", "of", "from", "on", "with"):
            rest = [w for w in words[j + 1 : j + 4] if w.lower not in STOP]
            if rest and NAME.match(rest[0].text):
                yield NewName(words[i].end, words[i].end, (f"{rest[0].lower}_{kind}",))
            return
