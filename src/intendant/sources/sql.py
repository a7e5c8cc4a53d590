"""Tables of a SQL database as Arrow: SQLite by its own driver, PostgreSQL by ADBC's binary COPY, MySQL from its socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from intendant.errors import WorkspaceError
from intendant.sources.base import Notify, Source
from intendant.sources.wire.pace import Pace
from intendant.types import Json, ReadRequest, Resource

__all__ = ["Database", "SqlSource"]

MYSQL = ("mysql://", "mariadb://")


class Database(Protocol):
    """What a database must offer; `tables` maps a name to what its catalog tells."""

    def tables(self) -> Mapping[str, Resource]: ...

    def batches(self, table: str, request: ReadRequest) -> Iterator[pa.Table]: ...

    def close(self) -> None: ...


class SqlSource(Source):
    """Each table or view is a resource; columns, order, count and cursor are pushed down."""

    kind = "sql"
    summary = "tables of SQLite, PostgreSQL, MySQL and MariaDB"
    example = 'kind = "sql"\nurl = "postgresql://user:${PG_PASSWORD}@host/db"'
    settings = {
        "url": "sqlite:///path, postgresql://user:password@host/db or mysql://user:password@host/db (mariadb:// is the same)",
        "resources": "name = { table, key, timestamp }; every table when left out",
        "limits": "{ rows_per_second }",
    }

    def __init__(self, name: str, config: Mapping[str, Json], root: Path) -> None:
        super().__init__(name, config, root)
        url = config.get("url")
        if not isinstance(url, str) or not url.startswith(("sqlite://", "postgresql://", "postgres://", *MYSQL)):
            raise WorkspaceError("A sql source needs a url of SQLite, PostgreSQL or MySQL", where=self.where,
                                 hint='Write url = "sqlite:///path.db" or "postgresql://user:${PW}@host/db".')
        if url.startswith(MYSQL):
            from intendant.engines.mysql import check_url

            check_url(url, self.where)
        self.url = url
        self.limit("rows_per_second")

    def _open(self, notify: Notify | None = None) -> Database:
        if self.url.startswith("sqlite://"):
            from intendant.sources.wire.sqlite import Sqlite

            return Sqlite(self.name, self.root / self.url.removeprefix("sqlite://").removeprefix("/"))
        if self.url.startswith(MYSQL):
            from intendant.sources.wire.mysql import MySql

            return MySql(self.name, self.url, lambda reason, raw: notify and notify("source.row_rejected", {"reason": reason, "raw": raw}))
        from intendant.sources.wire.postgres import Postgres

        return Postgres(self.name, self.url)

    def resources(self) -> tuple[Resource, ...]:
        database = self._open()
        try:
            found = database.tables()
        finally:
            database.close()
        declared = self.config.get("resources") or {}
        if not declared:
            return tuple(found.values())
        out = []
        for name, table in declared.items():
            known = found.get(str(table.get("table", name)))
            out.append(Resource(self.name, name, table.get("key") or (known.key if known else None),
                                table.get("timestamp") or (known.timestamp if known else None),
                                known.columns if known else ()))
        return tuple(out)

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """See Source.read."""
        declared = self.config.get("resources") or {}
        if declared and request.resource not in declared:
            raise self.unknown_resource(request.resource, declared)
        table = str(declared.get(request.resource, {}).get("table", request.resource))
        database = self._open(notify)
        pace, read = Pace(self.limit("rows_per_second")), 0
        try:
            known = database.tables()
            if table not in known:
                raise self.unknown_resource(table, known)
            for batch in database.batches(table, request):
                read += batch.num_rows
                notify("source.progress", {"rows": read, "total": None})
                yield batch
                pace.wait(batch.num_rows)
        finally:
            database.close()
