"""Where a sentence may fall into clauses: at the ends of sentences, and where a connective is followed by a new verb."""

# ruff: noqa: E501 - a pattern reads as one line

from __future__ import annotations

import re

from intendant.planner.frames.chunks import Source

__all__ = ["plain", "segments"]

VERBS = frozenset(
    """ask add aggregate append archive attach average bring build calculate call cap cast change check clamp clean clip combine compute
    convert copy count create cut dedupe deduplicate delete deliver derive discard drop dump ensure erase exclude export extract
    feed fetch fill filter find get give go group import ingest insert join keep leave limit list load lower lowercase make mark
    merge move name normalise normalize optimise optimize order overwrite partition provision publish pull push put quarantine
    rank refresh reload remove rename replace report restore retain revert round run save schedule select send set show sort
    speed split stack standardise standardize store strip sum summarise summarize sync take tell throttle throw transform trim
    tune turn union unify update upper uppercase validate verify warn wipe work write undo roll rollback tidy rebuild make
    compact shrink renew repeat flag label tag provide cluster ditch explode unpivot pivot sample""".split()
)
JOINTS = re.compile(
    r"(?:,? and then|,? then|,? and afterwards|,? afterwards|,? after that,?|;|,? and finally|,? finally|,? next,?|,? and also|,? and|,|,? also|,? after which|,? before|:| -)\s+$",
    re.I,
)
OPENERS = re.compile(
    r"^(?:\s|and\b|then\b|next\b|finally\b|also\b|afterwards\b|after that\b|now\b|first(?: of all)?\b(?=,? *(?:{})\b)|second(?:ly)?,|third(?:ly)?,|lastly\b|[,;:.-])+".format(
        "|".join(sorted(VERBS))
    ),
    re.I,
)
POLITE = re.compile(
    r"\b(?:(?:can|could|would|will) (?:you|we|i|someone|somebody)(?: please)?|please|pls|plz|kindly|i(?:'d| would) (?:like|love|need|want)(?: you)? to(?= (?!be))"
    r"|i (?:need|want) (?:you )?to(?= )|we (?:need|want|have) (?:you )?to(?= )|we(?:'d| would) like (?:you )?to(?= )|let's|let us|go ahead and|for me|for us"
    r"|i(?:'d| would) like|we(?:'d| would) like|i need|we need|i want|we want|it would be (?:nice|great|good|lovely)|if (?:you can|possible)|right away|at once|asap"
    r"|would you mind|be so kind|do me a favou?r|by the way|as well|in the end|from now on|thanks|thank you|thx|hi|hello|hey|ok|okay|so|well|yes|kind of|of course"
    r"|just|simply|really|very|too|both|again|the|a|an|our|my|your|make sure to|be sure to|i would|we would|perhaps|maybe|quickly|actually|basically|already|also|now|somehow|because\b[^.;!?]*|(?:so that|so) (?:we|i|they|you|it) can [^.;!?]*|, (?:nobody|no one) \w+ (?:them|it|those|that)|(?<=^)(?:the |my |our |their |his |her )?(?:\w+ ){1,2}(?:wants?|needs?|asks? for|asked for|wish(?:es)? for|says?|insists? on|requests?|requested)(?: to (?:have|see|get|know))?|how about(?: we)?|i mean|that'll do|that will do|i guess|you know|as usual|for now|say(?=,| \d)|simply|merely|straight away|still need|for (?:the |my |our |a |an |their |her |his )?(?:report|audit|demo|meeting|dashboard|analysis|analytics|board|boss|presentation|team|finance|marketing|controlling|management|campaign|planning|newsletter|reporting|label printer|auditors|accountants?|regulator|monthly report|weekly report|board meeting|quarterly report|downstream tool|dashboards))\b",
    re.I,
)


def segments(source: Source) -> list[tuple[int, int, bool]]:
    """Spans of clauses; the flag says that the clause begins a sentence of its own."""
    text = source.text
    cuts: list[tuple[int, bool]] = [(0, True)]
    literals = [(f.at, f.end) for f in source.literals]
    for i, w in enumerate(source.words):
        if any(a <= w.at < b for a, b in literals):
            continue
        if w.text in ".!?;" or (w.text == "…"):
            nxt = source.words[i + 1] if i + 1 < len(source.words) else None
            if nxt is not None and (nxt.at > w.end or w.text == ";"):
                cuts.append((w.end, w.text != ";"))
        elif w.lower in VERBS and i and JOINTS.search(text[: w.at]):
            before = JOINTS.search(text[: w.at])
            if before is not None and (text[before.start() : w.at].strip(" ,").lower() != "" or "," in before[0]):
                cuts.append((before.start(), False))
        elif w.lower in ("then", "afterwards", "finally") and i:
            cuts.append((w.at, False))
    for m in re.finditer(r"\n\s*", text):
        cuts.append((m.end(), True))
    ends = sorted({c for c, _ in cuts})
    whole = {c: any(flag for at, flag in cuts if at == c) for c in ends}
    out = []
    for a, b in zip(ends, [*ends[1:], len(text)], strict=True):
        opened = OPENERS.match(text[a:b])
        start = a + (opened.end() if opened else 0)
        if text[start:b].strip(" .,;:!?-\n"):
            out.append((start, b, whole[a]))
    return out


def plain(text: str) -> list[tuple[int, int]]:
    """Spans of words that are only manners."""
    return [m.span() for m in POLITE.finditer(text)]
