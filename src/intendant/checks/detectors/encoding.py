"""Text that was damaged on its way: UTF-8 read as Latin-1, characters lost for ever, invisible ones, HTML entities.

A damaged spot is one that reads as UTF-8 again once its characters are bytes again, and is then shorter; what also
stands in sound text (the "É™" of "CAFÉ™") isn't taken for damage, whatever it would read as.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from html.entities import html5

from intendant.checks import mend
from intendant.checks.detectors.base import Detector
from intendant.checks.subject import Subject, shown
from intendant.engines.base import quoted, text
from intendant.language.expression import Binary, Call, Col, Expr, Literal, Unary, print_expression
from intendant.language.grammar import grammar
from intendant.types import Column, Finding, Rule

__all__ = ["Encoding"]

ENTITY_SHARE = 0.30
"""HTML entities in more of a column's values are its own way of writing."""
CONTROL_SHARE = 0.20
"""The same for control characters, which may separate the parts of a value."""
MOST_SUSPECTS = 20_000
LARGEST = 1_000_000
"""Bytes of a text up to which it is looked at."""
"""Distinct suspicious texts that are looked at in a large column."""
MOST_LISTED, MOST_LETTERS = 2_000, 50_000
"""Damaged texts up to so many, and so long together, are named one by one; of more only the damaged pieces are."""
MOST_PIECES = 40
"""Pieces that a mend replaces one within the other."""
PASSES = 3
"""How often a text may have been damaged."""
LOST = "\ufffd"
SIGNS = (LOST, "ï¿½", "Ã¯Â¿Â½")
"""The replacement character, and what wrong decoding makes of it."""

BYTES = {bytes([b]).decode("cp1252", "ignore") or chr(b): b for b in range(0x80, 0x100)} | {
    chr(b): b for b in range(0x80, 0x100)
}
"""Which byte a character was, read as cp1252 or as Latin-1."""
LATER = "".join(c for c, b in BYTES.items() if b < 0xC0)
LATER_CLASS = "[" + "".join(f"\\u{ord(c):04x}" for c in LATER) + "]"
SPOT = re.compile(f"[Â-ß]{LATER_CLASS}|[à-ï]{LATER_CLASS}{{2}}|[ð-ô]{LATER_CLASS}{{3}}")
CLOSING = frozenset("’‘”“»«›‹–—…™®©°ºª¹²³´·•¡¿\u00a0")
"""Characters that follow a word in sound text."""
CUT = ((re.compile(r"â€(?=[\s.,;:!?)]|\Z)"), "”"), (re.compile(r"(?<=[a-zß-ÿ])Ã(?=\s|\Z)"), "à"))
"""Spots whose last character was invisible, and is gone."""
BEHIND, ALONE = re.compile(r"(?<=[0-9a-zß-ÿ.,;:!?)])Â(?=[ \t])"), re.compile(r"(?<![A-ZÀ-Þ])Â(?=[ \t]|\Z)")
"""What is left of a blank that was none of ASCII's; the second one may also be a letter on its own."""
C1 = re.compile("[\x80-\x9f]")
CONTROL = re.compile("\x1b\\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
BLANK = frozenset("\x0b\x0c\x1c\x1d\x1e\x1f")
"""Control characters that part words."""
HALVED = {"\x13": "–", "\x14": "—", "\x18": "‘", "\x19": "’"}
"""Punctuation of which only the lower half of its two bytes is left."""
HIDDEN = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
ALWAYS_HIDDEN = frozenset("\u00ad\u180e\ufeff")
JOINING = frozenset("\u200b\u200c\u200d\u2060")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
MARKUP = re.compile(r"<[A-Za-z/!][^<>]*>")
PIECE = re.compile(r"(?:&#?\w{1,31};|[^\x20-\x7e]+)+")
SUSPECT = (
    "[Â-ô][" + "".join(f"\\x{{{ord(c):x}}}" for c in LATER) + r"]|[ÂÃ](\s|$)|â€|\x{fffd}"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{ad}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}\x{2066}-\x{2069}"
    r"\x{feff}]|&#?[A-Za-z0-9]{1,31};"
)
"""Every damaged text matches this, in the engine's own words, and most sound ones don't."""
SUSPECTED = re.compile(re.sub(r"\\x\{(\w+)\}", lambda m: f"\\u{int(m[1], 16):04x}", SUSPECT).replace("$", r"\Z"))

LOSSES, MOJIBAKE, NULS, INVISIBLE, ENTITIES = "lost", "mojibake", "nul", "invisible", "entity"
SAID = {
    MOJIBAKE: "were read in the wrong encoding",
    INVISIBLE: "hold characters that can't be seen",
    ENTITIES: "hold HTML entities",
}
CONFIDENCE = {MOJIBAKE: 0.95, INVISIBLE: 0.9, ENTITIES: 0.85}


@dataclass(frozen=True)
class Repair:
    """What may be mended in a column: doubtful spots only beside certain ones, entities only where they are rare."""

    doubtful: bool = False
    control: bool = True
    entities: bool = True

    def __call__(self, value: str) -> str:
        """The text without its damage, or as it is."""
        out = value
        for _ in range(PASSES):
            before, out = out, decoded(out, self.doubtful)
            if self.entities and not MARKUP.search(value):
                out = ENTITY.sub(character, out)
            if out == before:
                break
        out = seen(CONTROL.sub(instead, out) if self.control else out)
        if out == value:
            return value
        out = out.replace("\u00a0", " ") if "\u00a0" not in value or is_mojibake(value, self.doubtful) else out
        return out.strip() if value == value.strip() else out


class Encoding(Detector):
    name = "encoding"
    summary = "Text damaged on its way: UTF-8 read as Latin-1, lost and invisible characters, leftover HTML entities."
    example = "3 values of city were read in the wrong encoding, 'MÃ¼nchen': transform t derive city = case ... end"

    def find(self, subject: Subject) -> Iterator[Finding]:
        if subject.total < subject.settings.min_rows:
            return
        columns = [c for c in subject.flat("text") if c.type.upper() not in ("UUID", "JSON")]
        for column in self.suspected(subject, columns):
            suspects = self.suspects(subject, column)
            if suspects:
                yield from self.look(subject, column, suspects)

    @staticmethod
    def suspected(subject: Subject, columns: list[Column]) -> list[Column]:
        """The columns worth a look: all of a small table, and large ones, are searched in one pass over the rows."""
        small = subject.total <= subject.settings.sample_rows
        large = [c for c in columns if small or subject.sampled(c.name)]
        if not large:
            return columns
        tests = ", ".join(f"bool_or(regexp_matches({own(c)}, {text(SUSPECT)}))" for c in large)
        hit = subject.query(f"SELECT {tests} FROM {subject.sql}")[0]
        silent = {c.name for c, h in zip(large, hit, strict=True) if not h}
        return [c for c in columns if c.name not in silent]

    @staticmethod
    def suspects(subject: Subject, column: Column) -> dict[str, int]:
        """Distinct texts that may be damaged, with their counts; documents too, up to a size."""
        found, which = {}, f"coalesce(strlen({own(column)}), 0) <= {LARGEST}"
        if not subject.sampled(column.name):
            found = {v: n for v, n in subject.values(column.name).items() if SUSPECTED.search(v)}
            which += f" AND {subject.document(column.name)}"
        rows = subject.query(
            f"SELECT {own(column)} AS v, count(*) AS n FROM {subject.sql} WHERE {which} AND regexp_matches({own(column)},"
            f" {text(SUSPECT)}) GROUP BY v ORDER BY n DESC, v LIMIT {MOST_SUSPECTS}"
        )
        return found | {v: int(n) for v, n in rows}

    def look(self, subject: Subject, column: Column, suspects: dict[str, int]) -> Iterator[Finding]:
        repair = repair_of(suspects, subject.stats[column.name].filled)
        kinds: dict[str, dict[str, str]] = {}
        for v in suspects:
            kind = kind_of(v, repair)
            if kind:
                kinds.setdefault(kind, {})[v] = repair(v)
        if LOSSES in kinds:
            yield lost(subject, column, list(kinds[LOSSES]))
        if NULS in kinds:
            yield nuls(subject, column, list(kinds[NULS]))
        for kind in SAID:
            if kind in kinds:
                sound = [v for v in suspects if v not in kinds[kind]]
                yield self.result(subject, column, kind, kinds[kind], sound, suspects)

    @staticmethod
    def result(
        subject: Subject,
        column: Column,
        kind: str,
        to: dict[str, str],
        sound: list[str],
        counts: dict[str, int],
    ) -> Finding:
        many = len(to) > MOST_LISTED or sum(map(len, to)) > MOST_LETTERS
        texts: dict[str, str | None] = {v: m or None for v, m in to.items()}
        sentence = "" if many else mend.replaced_values(subject.table, column.name, texts)
        where, pieces = subject.is_one_of(column.name, to), {} if sentence else pieces_of(to, sound)
        if pieces:
            sentence = replaced_pieces(subject.table, column.name, pieces)
        if many and pieces:
            where = "(" + " OR ".join(f"contains({own(column)}, {text(p)})" for p in pieces) + ")"
        rows = subject.count(where) if many or subject.sampled(column.name) else sum(counts[v] for v in to)
        pairs = shown([f"{around(v, m)} (rightly {around(m, v)})" for v, m in to.items()])
        evidence = f"{subject.so_many(rows, column.name)} {SAID[kind]}: {pairs}."
        return subject.finding(
            "encoding", column.name, rows, evidence, where=where, mend=sentence, confidence=CONFIDENCE[kind],
            samples=list(to)[:5],
        )  # fmt: skip


def repair_of(suspects: Mapping[str, int], filled: int) -> Repair:
    """What is damage in this column, and what its own way of writing."""
    control = sum(n for v, n in suspects.items() if CONTROL.search(C1.sub("", v)))
    entities = sum(n for v, n in suspects.items() if ENTITY.search(v))
    return Repair(
        doubtful=any(is_mojibake(v) for v in suspects),
        control=control <= CONTROL_SHARE * filled,
        entities=entities <= ENTITY_SHARE * filled,
    )


def kind_of(value: str, repair: Repair) -> str:
    """The gravest damage of a text; "" when there is none."""
    if any(s in value for s in SIGNS):
        return LOSSES
    if "\0" in value:
        return NULS if repair.control else ""
    mended = repair(value)
    if mended == value:
        return ""
    if is_mojibake(value, repair.doubtful):
        return MOJIBAKE
    return ENTITIES if replace(repair, entities=False)(value) == value else INVISIBLE


def is_mojibake(value: str, doubtful: bool = False) -> bool:
    return decoded(value, doubtful) != value


# ---------------------------------------------------------------- wrong decoding
def decoded(value: str, doubtful: bool = False) -> str:
    """The text with its wrongly decoded spots read as UTF-8."""
    out = SPOT.sub(lambda m: read(m.group()) if certainty(m) > (0 if doubtful else 1) else m.group(), value)
    for spot, instead_of in CUT:
        out = spot.sub(instead_of, out)
    out = BEHIND.sub("", out)
    return ALONE.sub("", out) if doubtful else out


def read(spot: str) -> str:
    """The bytes that the characters were, as UTF-8; "" when they are none, or no character that exists."""
    out = bytes(BYTES[c] for c in spot).decode("utf-8", "ignore")
    if len(out) != 1 or unicodedata.category(out) in ("Cn", "Co") or (spot.isalpha() and not out.isalnum()):
        return ""  # letters alone are no damaged sign: ášœ isn't ᚜
    return out


def certainty(m: re.Match[str]) -> int:
    """2 where a spot can't be sound text, 1 where it may be damage beside other damage, else 0."""
    spot, (before, after) = m.group(), beside(m)
    if not read(spot):
        return 0
    if C1.search(spot) or len(spot) == 4:
        return 2
    closing, lead = all(c in CLOSING for c in spot[1:]), spot[0]
    if len(spot) == 3:
        return 0 if closing and (not after.isalpha() or spot[2] == "’") and not in_a_word(m) else 2
    if lead in "ÂÃ":
        letter = lead == "Ã" and spot[1] in "’”»" and not (before + after).isalnum() and not before.islower()
        return 1 if closing and (letter or (before.isupper() and (spot[1] == "’" or not after.islower()))) else 2
    if lead in "ÄÅ":
        return 2 if before.islower() or (after.islower() and spot[1] not in "\u00a0’") else 0
    return 2 if in_a_word(m) or (before.islower() and after.islower() and lead.isupper()) else 0


def beside(m: re.Match[str]) -> tuple[str, str]:
    """The characters before and after a match; "" at the ends."""
    return m.string[max(0, m.start() - 1) : m.start()], m.string[m.end() : m.end() + 1]


def in_a_word(m: re.Match[str]) -> bool:
    """Whether it reads as a letter of the script of what is beside it, as all letters of a Cyrillic text do."""
    start, end, whole = m.start(), m.end(), m.string
    written = script(read(m.group()))
    spots = [SPOT.match(whole, at) for at in (end, start - 2, start - 3) if at >= 0]
    scripts = {script(read(s.group())) for s in spots if s} | {
        script(c) for c in whole[max(0, start - 2) : start] + whole[end : end + 2]
    }
    return bool(written) and written in scripts


def script(letter: str) -> str:
    """The first word of its Unicode name: CYRILLIC, GREEK; "" for a Latin letter and for what is no letter."""
    name = unicodedata.name(letter, "").partition(" ")[0] if len(letter) == 1 and letter.isalpha() else ""
    return "" if name == "LATIN" else name


# ---------------------------------------------------------------- what can't be seen
def instead(m: re.Match[str]) -> str:
    """What a control character stands for: a character of cp1252, a blank, or nothing."""
    c = m.group()
    if c in BYTES:
        return bytes([BYTES[c]]).decode("cp1252", "ignore")
    return " " if c in BLANK else HALVED.get(c, "")


def seen(value: str) -> str:
    """The text without hidden characters, those that its script needs apart."""
    if not HIDDEN.search(value):
        return value
    leftwards = any(unicodedata.bidirectional(c) in ("R", "AL") for c in value)
    return HIDDEN.sub(lambda m: m.group() if needed(m, leftwards) else "", value)


def needed(m: re.Match[str], leftwards: bool) -> bool:
    """Whether Persian, Thai, Hindi or an emoji needs the joiner, or a text that runs leftwards the mark."""
    if m.group() in ALWAYS_HIDDEN:
        return False
    return any(c and ord(c) >= 0x300 for c in beside(m)) if m.group() in JOINING else leftwards


def character(m: re.Match[str]) -> str:
    """What an entity stands for; one that nobody knows stays."""
    entity = m.group()
    if not entity.startswith("&#") and entity[1:] not in html5:
        return entity
    out = html.unescape(entity)
    return entity if LOST in out or out == "\0" else out


# ---------------------------------------------------------------- findings and mends
def own(column: Column) -> str:
    return quoted(column.name) if column.type.upper() == "VARCHAR" else f"CAST({quoted(column.name)} AS VARCHAR)"


def around(value: str, other: str) -> str:
    """Where a long text begins to differ from another."""
    if len(value) <= 20:
        return value
    at = next((i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b), 0)
    start = max(0, at - 8)
    return ("..." if start else "") + value[start : start + 17] + ("..." if start + 17 < len(value) else "")


def lost(subject: Subject, column: Column, values: list[str]) -> Finding:
    signs = [s for s in SIGNS if any(s in v for v in values)]
    where = "(" + " OR ".join(f"contains({own(column)}, {text(s)})" for s in signs) + ")"
    rows = subject.count(where)
    near = [around(v, v[: min(v.find(s) for s in signs if s in v)] + "?") for v in values]
    tests: list[Expr] = [Binary("contains", Col(column.name), Literal(s, "text")) for s in signs]
    none = print_expression(
        Unary("not", functools.reduce(lambda a, b: Binary("or", a, b), tests)), grammar().kinds.reserved
    )
    evidence = f"{subject.so_many(rows, column.name)} have lost characters for ever: {shown(near)}."
    return subject.finding(
        "encoding", column.name, rows, evidence, where=where, confidence=0.95, samples=values[:5],
        mend=mend.guard(subject.table, Rule("expression", expression=none)),
    )  # fmt: skip


def nuls(subject: Subject, column: Column, values: list[str]) -> Finding:
    """Neither an SQL literal nor the language can hold the character NUL, so it is named by a regular expression."""
    where = f"regexp_matches({own(column)}, '\\x00')"
    rows = subject.count(where)
    evidence = f"{subject.so_many(rows, column.name)} hold the character NUL: {shown(values)}."
    value = Call("regexp_replace", (Col(column.name), Literal(r"\x00", "text"), Literal("", "text")))
    return subject.finding(
        "encoding", column.name, rows, evidence, where=where, confidence=0.9, samples=values[:5],
        mend=mend.derived(subject.table, column.name, value),
    )  # fmt: skip


def pieces_of(to: Mapping[str, str], sound: Iterable[str]) -> dict[str, str]:
    """Each damaged piece with what it should be, longest first; none when that doesn't give the mended texts."""
    found: dict[str, str] = {}
    for old, new in to.items():
        found.update(pieces_in(old, new))
        if len(found) > MOST_PIECES:
            return {}
    out = dict(sorted(found.items(), key=lambda p: -len(p[0])))
    if any(functools.reduce(lambda t, p: t.replace(*p), out.items(), v) != m for v, m in to.items()):
        return {}
    return {} if any(p in v for v in sound for p in out) else out


def pieces_in(old: str, new: str) -> Iterator[tuple[str, str]]:
    """The pieces of the old text that the new one has otherwise; nonsense when more than pieces differ."""
    at, piece = 0, ""
    ends = [(m.start(), m.end(), m.group()) for m in PIECE.finditer(old)]
    for start, end, next_piece in [*ends, (len(old), len(old), "")]:
        kept = old[at:start]
        place = new.find(kept) if start < len(old) or not kept else new.rfind(kept)
        if piece and piece != new[:place]:
            yield piece, new[:place]
        new, piece, at = new[place + len(kept) :], next_piece, end


def replaced_pieces(table: str, column: str, pieces: Mapping[str, str]) -> str:
    value: Expr = Col(column)
    for old, new in pieces.items():
        value = Call("replace", (value, Literal(old, "text"), Literal(new, "text")))
    return mend.derived(table, column, value)
