"""All pages of a collection, in order, fetched ahead of the reader; a page that comes again is a loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from intendant.errors import SourceDamaged, SourceError, SourceLoop
from intendant.sources.base import Notify
from intendant.sources.wire.ahead import Ahead
from intendant.sources.wire.envelope import Envelope, Shape, learn, split
from intendant.sources.wire.http import Http, Reply, shown, with_query
from intendant.sources.wire.paging import (
    Hints,
    Page,
    Turn,
    cursor_names,
    detect,
    following,
    known_rest,
    number,
    turn_candidates,
)
from intendant.sources.wire.salvage import first_element, split_array
from intendant.types import Json

__all__ = ["Pages"]

AHEAD_BYTES = 32 << 20
TOGETHER = 4
PROBE_BYTES = 8 << 20
START_BYTES = 1 << 20
"""Of the first group: enough to learn the form of the rows, before two readers work on."""
LINES = ("ndjson", "jsonl", "json-lines", "jsonlines")


@dataclass(frozen=True)
class Note:
    """Something to tell, on its way from the fetching thread to the reader's."""

    kind: str
    data: Mapping[str, Json]


Put = Callable[[Page | Note, int], None]


class Pages:
    """The pages of one collection of one API; `turn` and `total` are known once the first page is there."""

    def __init__(self, http: Http, resource: str, rows: str | None, hints: Hints) -> None:
        self.http, self.resource, self.declared, self.hints = http, resource, rows, hints
        self.turn = Turn("none")
        self.total: int | None = None
        self.where = shown(http.base)
        self._shape: Shape | None = None
        self._known: dict[str, Page] = {}
        self._seen: set[int] = set()
        self._asked: set[str] = set()
        self._second: Page | None = None
        self._want: int | None = None
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def read_all(self) -> None:
        """Forget the count: the order did not hold, so every page is needed."""
        self._want = None

    def probe(self, url: str) -> Page:
        """The page at `url`, its rows counted; remembered, as it may be the first of the read."""
        if url not in self._known:
            page = self.http.get(url, self._page)
            self._known[url] = replace(page, count=len(split_array(page.envelope.rows)))
        return self._known[url]

    def first(self, url: str) -> Page:
        """The first page; sets `turn` and `total`."""
        self.where = shown(url)
        page = self.probe(url)
        self.total = number(page)
        self.turn = detect(page, self.hints) or self._tried(page)
        if self.turn.way == "cursor" and not self.turn.param:
            self.turn = self._cursor(page)
        if self.turn.way in ("none", "cursor", "next", "link") and self.total is not None and page.count is not None:
            counts_page_only = self.total == page.count and self.turn.way != "none"
            self.total = None if counts_page_only else self.total
        return page

    def groups(self, url: str, count: int | None, most_bytes: int, most_rows: int) -> Iterator[list[bytes]]:
        """Rows of the pages, as texts of JSON arrays, in groups of about `most_bytes` or `most_rows`.

        Ends after the page that likely completes `count` rows; the reader asks on when it did not.
        """
        first = self.first(url)
        self._want = count
        size = max(1, first.count or 1)
        group: list[bytes] = []
        held = rows = 0
        bound = min(START_BYTES, most_bytes)
        for page in self._pages(first, ahead=count is None or count > 20 * size):
            group.append(page.envelope.rows)
            held += len(page.envelope.rows)
            rows += size
            enough = self._want is not None and rows >= self._want
            if held >= bound or len(group) * size >= most_rows or enough:
                yield group
                group, held, bound = [], 0, most_bytes
        if group:
            yield group

    def _pages(self, first: Page, ahead: bool) -> Iterator[Page]:
        if not ahead:
            yield from self._sequence(first)
            return
        notify = self.http.notify
        for item in Ahead[Page | Note](lambda put: self._produce(first, put), AHEAD_BYTES):
            if isinstance(item, Note):
                notify(item.kind, item.data)
            else:
                yield item

    def _produce(self, first: Page, put: Put) -> None:
        told: Notify = self.http.notify
        self.http.notify = lambda kind, data: put(Note(kind, data), 0)
        try:
            for page in self._sequence(first):
                put(page, len(page.envelope.rows))
        finally:
            self.http.notify = told

    def _sequence(self, first: Page) -> Iterator[Page]:
        self._asked.add(first.reply.url)
        yield self._new(first)
        rest = known_rest(first, self.turn) if self.http.pace.rate is None else None
        if rest is not None:
            yield from self._together(rest, max(1, first.count or 1))
            return
        page, index = first, 0
        while (url := following(page, self.turn, index)) is not None:
            if url in self._asked:
                raise self._loop("the address of the next page came again")
            self._asked.add(url)
            page, index = self._get(url), index + 1
            if page.envelope.empty and self.turn.way in ("page", "offset"):
                return
            yield self._new(page)

    def _get(self, url: str) -> Page:
        known = self._known.pop(url, None)
        return known if known is not None else self.http.get(url, self._page)

    def _together(self, urls: list[str], size: int) -> Iterator[Page]:
        """Pages whose addresses are known, a few at a time, in order; one at a time once the source throttles.

        No more than the pages of `size` rows that complete the wanted count are asked for before they are needed.
        """
        self._pool = self._pool or ThreadPoolExecutor(TOGETHER)
        waiting: deque[Future[Page]] = deque()
        left, sent = iter(urls), 1
        while True:
            while len(waiting) < self._window(sent, size) and (url := next(left, None)) is not None:
                waiting.append(self._pool.submit(self._get, url))
                sent += 1
            if not waiting:
                return
            page = waiting.popleft().result()
            if page.envelope.empty:
                return
            yield self._new(page)

    def _window(self, sent: int, size: int) -> int:
        wanted = TOGETHER if self._want is None or sent * size < self._want else 1
        return 1 if self.http.throttled else wanted

    def _page(self, reply: Reply) -> Page:
        where = shown(reply.url)
        if not reply.body.strip() and any(word in reply.headers.get("content-type", "") for word in LINES):
            return Page(Reply(reply.url, reply.headers, b""), Envelope(b"[]", {}, True))
        if not reply.body.strip():
            raise SourceDamaged("The answer is empty", where=where)
        shape = self._shape or learn(reply.body, self.resource, self.declared, where)
        envelope = split(reply.body, shape, where)
        self._shape = shape
        return Page(Reply(reply.url, reply.headers, b""), envelope)

    def _new(self, page: Page) -> Page:
        if page.envelope.empty:
            return page
        mark = hash(page.envelope.rows)
        if mark in self._seen:
            raise self._loop("a page came again with the same rows")
        self._seen.add(mark)
        return page

    def _loop(self, what: str) -> SourceLoop:
        return SourceLoop(f"The source goes in a circle: {what}", where=self.where,
                          hint="Set cursor_param, page_param or offset_param of the resource.")

    def _tried(self, first: Page) -> Turn:
        """The way of an API that doesn't say: page 2 asked for in the usual ways, believed when it has other rows."""
        size = first.count or 0
        hinted = self.total is not None and self.total > size
        if not size or len(first.envelope.rows) > PROBE_BYTES or (size % 5 and not hinted) or self._single():
            return Turn("none")
        for turn in turn_candidates(first):
            start = "2" if turn.way == "page" else str(size)
            page = self._other(first, with_query(first.reply.url, {turn.param: start}))
            if page is None:
                continue
            if page.envelope.empty:
                return Turn("none")
            if turn.way == "page":
                one = self._other(first, with_query(first.reply.url, {turn.param: "1"}))
                return replace(turn, first=0 if one is not None and not one.envelope.empty else 1)
            return turn
        return Turn("none")

    def _single(self) -> bool:
        return self._shape is not None and (self._shape.single or self._shape.lines)

    def _other(self, first: Page, url: str) -> Page | None:
        """The page at `url` when it has other rows than the first page, or none; else None."""
        try:
            page = self.probe(url)
        except SourceError:
            return None
        row = first_element(page.envelope.rows)
        return None if row and row in first.envelope.rows else page

    def _cursor(self, first: Page) -> Turn:
        """Which parameter takes the cursor back: the first that brings other rows."""
        written = first.facts[self.turn.name][0]
        for name in cursor_names(written):
            turn = replace(self.turn, param=name)
            url = following(first, turn, 0)
            if url is None:
                return turn
            if self._other(first, url) is not None:
                return turn
        raise self._loop(f"no parameter takes back the cursor {written!r}")
