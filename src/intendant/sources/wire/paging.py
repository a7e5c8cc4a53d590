"""Finds out by itself how an API turns pages, from what the pages say, and gives the address of the next one.

Ways, in the order of trust: a Link header, a next address in the body, a cursor, page numbers, offsets. When the page
says nothing, page 2 is tried and believed only if it brings other rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin

from intendant.sources.wire.envelope import Envelope
from intendant.sources.wire.http import Reply, with_query
from intendant.types import Json

__all__ = ["Hints", "Page", "Turn", "cursor_names", "detect", "following", "known_rest", "number", "turn_candidates"]

NEXT = (
    "odatanextlink",
    "next",
    "nexturl",
    "nextlink",
    "nextpageurl",
    "nextpagelink",
    "nexthref",
    "nextpage",
    "nexturi",
)
CURSOR = (
    "nextcursor",
    "nextpagetoken",
    "nexttoken",
    "continuationtoken",
    "nextcontinuationtoken",
    "nextmarker",
    "paginationtoken",
    "endcursor",
    "after",
    "scrollid",
    "cursor",
    "continuation",
)
PAGE = ("page", "currentpage", "pagenumber", "pageno", "pageindex", "number")
LAST_PAGE = ("totalpages", "pagecount", "lastpage", "pages", "numpages", "pagestotal")
OFFSET = ("offset", "skip", "start", "startat", "from")
TOTAL = (
    "total",
    "totalcount",
    "totalresults",
    "totalitems",
    "totalrecords",
    "totalrows",
    "totalelements",
    "odatacount",
    "count",
    "totalsize",
    "resultcount",
)
MORE = ("hasmore", "hasnext", "hasnextpage", "more", "morerecords", "istruncated")
LAST = ("last", "islast", "islastpage")
LINK = re.compile(r'<([^>]*)>\s*((?:;\s*[^,;"]+(?:="[^"]*"|=[^,;]*)?\s*)*)')


@dataclass(frozen=True)
class Hints:
    """Names of parameters that the resource's config declares, "" where it doesn't."""

    cursor_param: str = ""
    page_param: str = ""
    offset_param: str = ""


@dataclass(frozen=True)
class Page:
    """A fetched page: `count` rows where they were counted (the first page always), else None."""

    reply: Reply
    envelope: Envelope
    count: int | None = None

    @property
    def facts(self) -> Mapping[str, tuple[str, Json]]:
        """What stands around the rows: normalised name -> (name as written, value)."""
        return dict(_facts(self.envelope.around, "", 0))


@dataclass(frozen=True)
class Turn:
    """How this API turns pages. `size` is the rows of a full page, `first` the number of the first page."""

    way: Literal["link", "next", "cursor", "page", "offset", "none"]
    param: str = ""
    name: str = ""
    size: int = 0
    first: int = 1


def detect(page: Page, hints: Hints) -> Turn | None:
    """The way that a first page shows; Turn("none") when it says it is the only one; None when it says nothing."""
    facts, size = page.facts, page.count or 0
    if _link(page.reply):
        return Turn("link")
    for name in NEXT:
        if name in facts and _is_address(facts[name][1]):
            return Turn("next", name=name)
    found = "" if _null_next(facts) else _cursor(facts)
    if found:
        return Turn("cursor", hints.cursor_param, found)
    if _says_end(page, facts, size):
        return Turn("none")
    numbered = _has_number(facts, (*PAGE, "nextpage", "next")) is not None
    if hints.page_param or numbered or "xnextpage" in _headers(page.reply):
        name = next((n for n in PAGE if _number(facts, n) is not None), "")
        first = int(_number(facts, name) or 0) if name else 1
        return Turn("page", hints.page_param or _page_param(facts, name), name, size, first)
    offset = next((n for n in OFFSET if _number(facts, n) is not None), "")
    if hints.offset_param or offset:
        return Turn("offset", hints.offset_param or facts[offset][0], offset, size)
    return None


def turn_candidates(page: Page) -> Iterator[Turn]:
    """Ways to try when a page says nothing of its way."""
    size = page.count or 0
    for way, param in (("page", "page"), ("offset", "offset"), ("offset", "skip"), ("offset", "start")):
        yield Turn("page" if way == "page" else "offset", param, "", size)


def following(page: Page, turn: Turn, index: int) -> str | None:
    """The address of the page after `page`, the `index`-th (from 0); None at the end."""
    facts, url = page.facts, page.reply.url
    if turn.way == "none":
        return None
    if turn.way == "link":
        link = _link(page.reply)
        return urljoin(url, link) if link else None
    if turn.way == "next":
        value = facts.get(turn.name, ("", None))[1]
        return _join(url, str(value)) if _is_address(value) else None
    if page.envelope.empty and turn.way != "cursor":
        return None
    if turn.way == "cursor":
        value = facts.get(turn.name, ("", None))[1]
        ended = value in (None, "", False) or _more(facts) is False
        return None if ended else with_query(url, {turn.param: str(value)})
    if _says_end(page, facts, page.count if index == 0 else None):
        return None
    last = _last_page(page, facts)
    if turn.way == "page":
        number_ = turn.first + index + 1
        ended = last is not None and number_ >= last + turn.first
        return None if ended else with_query(url, {turn.param: str(number_)})
    total = number(page, TOTAL)
    start = (index + 1) * turn.size
    ended = total is not None and total > turn.size and start >= total
    return None if ended or not turn.size else with_query(url, {turn.param: str(start)})


def known_rest(page: Page, turn: Turn) -> list[str] | None:
    """Addresses of all pages after the first, where the first page tells how many there are."""
    if turn.way not in ("page", "offset") or not turn.size:
        return None
    total, last = number(page, TOTAL), _last_page(page, page.facts)
    if turn.way == "page" and last is not None:
        return [with_query(page.reply.url, {turn.param: str(turn.first + i)}) for i in range(1, last)]
    if total is None or total <= turn.size:
        return None
    count = -(-total // turn.size)
    if turn.way == "page":
        return [with_query(page.reply.url, {turn.param: str(turn.first + i)}) for i in range(1, count)]
    return [with_query(page.reply.url, {turn.param: str(i * turn.size)}) for i in range(1, count)]


def cursor_names(name: str) -> list[str]:
    """Parameters that may take back a cursor that came under `name`, the likeliest first."""
    stem = re.sub(r"^next_?", "", name, flags=re.IGNORECASE)
    stem = stem[:1].lower() + stem[1:]
    likely = {
        "endcursor": ["after"],
        "after": ["after"],
        "nexttoken": [name, "token"],
        "next": ["cursor", "next", "after", "page_token", "page"],
    }
    names = [*likely.get(_norm(name), []), stem, name, "cursor", "after", "page_token", "pageToken"]
    return list(dict.fromkeys(n for n in names if n))


def number(page: Page, names: tuple[str, ...] = TOTAL) -> int | None:
    """The first whole number among these facts, or X-Total-Count; the total of rows by default."""
    headers = _headers(page.reply)
    if names is TOTAL:
        for header in ("xtotalcount", "xtotal", "totalcount"):
            if headers.get(header, "").isdigit():
                return int(headers[header])
    return _has_number(page.facts, names)


def _facts(value: Json, above: str, depth: int) -> Iterator[tuple[str, tuple[str, Json]]]:
    """Deeper ones first, so that what stands higher wins."""
    if not isinstance(value, Mapping) or depth > 3:
        return
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _facts(inner, key, depth + 1)
    for key, inner in value.items():
        if isinstance(inner, Mapping | list):
            continue
        if _norm(key) in ("href", "url") and above:
            yield _norm(above), (above, inner)
        else:
            yield _norm(key), (key, inner)


def _norm(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _headers(reply: Reply) -> dict[str, str]:
    return {_norm(k): v for k, v in reply.headers.items()}


def _link(reply: Reply) -> str | None:
    for address, params in LINK.findall(reply.headers.get("link", "")):
        rel = re.search(r'rel="?([^";]*)"?', params, re.IGNORECASE)
        if rel and "next" in rel[1].lower().split():
            return str(address)
    return None


def _is_address(value: Json) -> bool:
    return isinstance(value, str) and (value.startswith(("http://", "https://", "/", "?")))


def _join(url: str, value: str) -> str:
    """A next address may leave out the query that the first request had; then only the host and path are joined."""
    return urljoin(url, value)


def _cursor(facts: Mapping[str, tuple[str, Json]]) -> str:
    for name in (*CURSOR, "next"):
        value = facts.get(name, ("", None))[1]
        texty = isinstance(value, str) and value != ""
        numeric = isinstance(value, int) and not isinstance(value, bool) and name not in ("next",)
        if texty or numeric:
            return name
    return ""


def _number(facts: Mapping[str, tuple[str, Json]], name: str) -> int | None:
    value = facts.get(name, ("", None))[1]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return int(value) if isinstance(value, str) and value.isdigit() and len(value) < 18 else None


def _has_number(facts: Mapping[str, tuple[str, Json]], names: tuple[str, ...]) -> int | None:
    return next((n for n in (_number(facts, name) for name in names) if n is not None), None)


def _more(facts: Mapping[str, tuple[str, Json]]) -> bool | None:
    for name in MORE:
        if isinstance(facts.get(name, ("", None))[1], bool):
            return bool(facts[name][1])
    for name in LAST:
        if isinstance(facts.get(name, ("", None))[1], bool):
            return not facts[name][1]
    return None


def _last_page(page: Page, facts: Mapping[str, tuple[str, Json]]) -> int | None:
    header = _headers(page.reply).get("xtotalpages", "")
    return int(header) if header.isdigit() else _has_number(facts, LAST_PAGE)


def _says_end(page: Page, facts: Mapping[str, tuple[str, Json]], count: int | None) -> bool:
    if page.envelope.empty or _more(facts) is False:
        return True
    if _null_next(facts):
        return True
    total, last = number(page), _last_page(page, facts)
    if count is not None and last is not None:
        return last <= 1
    return count is not None and total is not None and total <= count and "count" not in _only_total(facts)


def _null_next(facts: Mapping[str, tuple[str, Json]]) -> bool:
    """Whether the page has a name for what follows, and nothing under it."""
    return any(name in facts and facts[name][1] in (None, "", False) for name in (*NEXT, *CURSOR[:7]))


def _only_total(facts: Mapping[str, tuple[str, Json]]) -> str:
    """ "count" when the only total there is may be the count of this page."""
    return "count" if not any(name in facts for name in TOTAL if name != "count") and "count" in facts else ""


def _page_param(facts: Mapping[str, tuple[str, Json]], name: str) -> str:
    written = facts[name][0] if name else "page"
    return {"currentpage": "page", "number": "page"}.get(_norm(written), written)
