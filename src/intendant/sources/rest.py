"""JSON over HTTP: finds the rows in a page and the way to the next page by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from intendant.errors import SourceError, SourceTooLarge, WorkspaceError, did_you_mean
from intendant.sources.base import Notify, Source
from intendant.sources.wire.abreast import parsed
from intendant.sources.wire.auth import Auth
from intendant.sources.wire.discover import links_of
from intendant.sources.wire.guess import guess_key, guess_timestamp
from intendant.sources.wire.http import Http, Timeouts, check_url, with_query
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.pace import Pace
from intendant.sources.wire.pages import Pages
from intendant.sources.wire.paging import Hints
from intendant.sources.wire.retry import Retry
from intendant.sources.wire.rows import JsonRows
from intendant.sources.wire.sorting import Order, sorted_url
from intendant.types import Json, ReadRequest, Resource

__all__ = ["RestSource"]

PAGE_BYTES = 64 << 20
BATCH_BYTES = 16 << 20
BATCH_ROWS = 100_000
MOST_PEEKED = 20
RESOURCE_KEYS = {
    "path": "path of the collection, from url; the resource's name by default",
    "key": "column that identifies a row",
    "timestamp": "column that tells when a row was made or changed",
    "rows": "name (or dotted path) of the field that holds the rows",
    "params": "query parameters of every request",
    "since_param": "parameter that takes the cursor value: only newer rows come",
    "sort_param": "parameter that takes -column for newest first, or a text as 'sort={column}&order={direction}'",
    "cursor_param": "parameter that takes back the cursor of a page",
    "page_param": "parameter that takes the page number",
    "offset_param": "parameter that takes the number of rows to skip",
}


class RestSource(Source):
    """A REST API; pages are parsed by DuckDB, nested data stays nested."""

    kind = "rest"
    summary = "JSON over HTTP, every common pagination and authentication"
    example = ('kind = "rest"\nurl = "https://api.example.com"\nauth = { bearer = "${SALES_TOKEN}" }\n'
               'resources = { orders = { path = "/orders", key = "order_id", timestamp = "created_at" } }')
    settings = {
        "url": "address of the API",
        "auth": "{ bearer }, { basic = { user, password } } or { api_key = { header or query, value } }",
        "resources": "name = { path, key, timestamp, ... }; discovered at the API's root when left out",
        "limits": "{ requests_per_second, rows_per_second }",
        "timeouts": "{ connect, read, total } in seconds",
        "retries": "{ attempts, total_seconds, first_delay, longest_delay }",
        "max_page_bytes": "largest page that is accepted, unpacked; 64 MiB by default",
        "max_rows": "most rows of one read; no limit by default",
    }

    def __init__(self, name: str, config: Mapping[str, Json], root: Path) -> None:
        super().__init__(name, config, root)
        self.url, self.auth = self._address()
        self.timeouts = self._timeouts()
        self.retry = Retry.from_config(self._table("retries"), self.where)
        self.page_cap = self._count("max_page_bytes", PAGE_BYTES)
        self.row_cap = self._count("max_rows", 0)
        self.limit("requests_per_second"), self.limit("rows_per_second")
        self._declared = self._resources()

    def _address(self) -> tuple[str, Auth]:
        url = self.config.get("url")
        if not isinstance(url, str):
            raise WorkspaceError("A rest source needs a url", where=self.where,
                                 hint='Write url = "https://host/path".')
        check_url(url, self.where)
        auth = Auth.from_config(self._table("auth"), self.where)
        parts = urlsplit(url)
        if parts.username:
            basic = {"user": unquote(parts.username), "password": unquote(parts.password or "")}
            auth = Auth.basic(basic, self.where)
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return url.rstrip("/"), auth

    def _table(self, key: str) -> Mapping[str, Json]:
        value = self.config.get(key) or {}
        if not isinstance(value, Mapping):
            raise WorkspaceError(f"{key} must be a table, not {value!r}" if key != "auth" else "auth must be a table",
                                 where=self.where)
        return value

    def _count(self, key: str, default: int) -> int:
        value = self.config.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise WorkspaceError(f"{key} must be a whole number, not {value!r}", where=self.where)
        return value

    def _timeouts(self) -> Timeouts:
        table = self._table("timeouts")
        for key, value in table.items():
            if key not in Timeouts.__dataclass_fields__:
                hint = did_you_mean(key, Timeouts.__dataclass_fields__, "timeout")
                raise WorkspaceError(f"timeouts.{key} is not a timeout", where=self.where, hint=hint)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise WorkspaceError(f"timeouts.{key} must be seconds above 0, not {value!r}", where=self.where)
        return Timeouts(**table)

    def _resources(self) -> dict[str, Mapping[str, Json]]:
        out: dict[str, Mapping[str, Json]] = {}
        for name, table in self._table("resources").items():
            if not isinstance(table, Mapping):
                raise WorkspaceError(f"resources.{name} must be a table", where=self.where,
                                     hint=f'Write resources = {{ {name} = {{ path = "/{name}" }} }}.')
            for key in table:
                if key not in RESOURCE_KEYS:
                    raise WorkspaceError(f"resources.{name}.{key} is not a setting", where=self.where,
                                         hint=did_you_mean(key, RESOURCE_KEYS, "setting"))
            out[name] = table
        return out

    def resources(self) -> tuple[Resource, ...]:
        """Declared resources; without any, those that the API's root or its /openapi.json names."""
        if not self._declared:
            self._declared = self._discover()
            return tuple(self._looked_at(name) for name in list(self._declared)[:MOST_PEEKED]) + tuple(
                Resource(self.name, name) for name in list(self._declared)[MOST_PEEKED:])
        return tuple(Resource(self.name, name, table.get("key"), table.get("timestamp"))
                     for name, table in self._declared.items())

    def _discover(self) -> dict[str, Mapping[str, Json]]:
        http = self._http(lambda kind, data: None)
        try:
            for path in ("", "/openapi.json"):
                try:
                    found = http.get(self.url + path or "/", lambda reply: links_of(reply.body))
                except SourceError:
                    if path:
                        return {}
                    continue
                if found:
                    return {name: {"path": address} for name, address in found.items()}
        finally:
            http.close()
        return {}

    def _looked_at(self, name: str) -> Resource:
        try:
            table = self.peek(name, 50)
        except SourceError:
            return Resource(self.name, name)
        key, moment = guess_key(table, name), guess_timestamp(table)
        self._declared[name] = {**self._declared[name], **({"key": key} if key else {}),
                                **({"timestamp": moment} if moment else {})}
        return Resource(self.name, name, key, moment)

    def _http(self, notify: Notify) -> Http:
        return Http(self.url, auth=self.auth, retry=self.retry, timeouts=self.timeouts,
                    pace=Pace(self.limit("requests_per_second")), cap=self.page_cap, notify=notify)

    def _spec(self, name: str) -> Mapping[str, Json]:
        if not self._declared:
            self._declared = self._discover()
        if name not in self._declared:
            raise self.unknown_resource(name, self._declared)
        return self._declared[name]

    def _first_url(self, name: str, spec: Mapping[str, Json], request: ReadRequest) -> str:
        path = str(spec.get("path") or f"/{name}")
        url = path if "://" in path else self.url + ("" if path.startswith(("/", "?")) else "/") + path
        params = {str(k): str(v) for k, v in (spec.get("params") or {}).items()}
        if request.after and spec.get("since_param"):
            params[str(spec["since_param"])] = _as_text(request.after[1])
        return with_query(url, params) if params else url

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """See Source.read; pushes down count, order (where the API proves that it sorts) and a declared since_param."""
        spec = self._spec(request.resource)
        http, rows = self._http(notify), JsonRows()
        pages = Pages(http, request.resource, spec.get("rows"), Hints(
            str(spec.get("cursor_param", "")), str(spec.get("page_param", "")), str(spec.get("offset_param", ""))))
        try:
            yield from self._batches(request, spec, pages, rows, notify)
        finally:
            pages.close()
            http.close()
            rows.close()

    def _batches(self, request: ReadRequest, spec: Mapping[str, Json], pages: Pages, rows: JsonRows,
                 notify: Notify) -> Iterator[pa.Table]:
        url = self._first_url(request.resource, spec, request)
        order = Order(request.by, request.order) if request.count and request.order and request.by else None
        stop = request.count if not request.order else None
        if order is not None:
            found = sorted_url(pages, rows, url, order, spec.get("sort_param"))
            url, stop = (found, request.count) if found else (url, None)
        pace, read, counted, kinds = Pace(self.limit("rows_per_second")), 0, 0, Kinds()
        groups = pages.groups(url, stop, BATCH_BYTES, BATCH_ROWS)
        for table, rejects in parsed(groups, self.where, abreast=stop is None, kinds=kinds):
            for reason, raw in rejects:
                notify("source.row_rejected", {"reason": reason, "raw": raw})
            if not table.num_rows:
                continue
            read += table.num_rows
            if self.row_cap and read > self.row_cap:
                raise SourceTooLarge(f"More than {self.row_cap} rows came", where=pages.where,
                                     hint="Ask for less, or raise max_rows.")
            if stop is not None and order is not None and not order.holds(table):
                stop = None
                pages.read_all()
            counted += order.counts(table) if order is not None else table.num_rows
            notify("source.progress", {"rows": read, "total": pages.total})
            kinds.tell(notify)
            yield table
            pace.wait(table.num_rows)
            if stop is not None and counted >= stop:
                return
        if stop is None and not request.after and pages.total is not None and read < pages.total:
            notify("source.incomplete", {"rows": read, "total": pages.total})


def _as_text(value: Json) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
