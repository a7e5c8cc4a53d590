"""Files of a folder, of S3-compatible storage or behind http(s): CSV, JSON, JSON lines, Parquet and workbooks.

CSV columns get a type only when every value of the whole file survives it: codes with leading zeros stay text.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa

from intendant.errors import PathRefused, SourceDamaged, SourceRefused, WorkspaceError, did_you_mean
from intendant.objects.addresses import as_folder, covers
from intendant.sources.base import Notify, Source
from intendant.sources.wire.columns import engine
from intendant.sources.wire.csv import Csv, unreadable
from intendant.sources.wire.documents import document_tables
from intendant.sources.wire.excel import ENDINGS, Excel, sheets_shown
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.pace import Pace
from intendant.sources.wire.query import condition, literal, quoted, values_of
from intendant.sources.wire.remote import Remote, is_remote, name_of
from intendant.types import Json, ReadRequest, Resource

__all__ = ["FilesSource"]

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
           ".parquet": "parquet", ".pq": "parquet", **dict.fromkeys(ENDINGS, "excel")}
PACKED = (".gz", ".zst")
LOCK = "~$"
"""What the name of the small file begins with that Excel keeps beside a workbook which somebody has open."""
BATCH_ROWS = 100_000
RESOURCE_KEYS = {
    "path": "file or glob, from the source's folder",
    "key": "column that identifies a row",
    "timestamp": "column that tells when a row was made or changed",
    "format": "csv, json, jsonl, parquet or excel, where the name doesn't tell",
    "sheet": "of a workbook; the first that is shown when left out",
    "header_row": "row of a sheet that names the columns, 0 for none; found when left out",
}


class FilesSource(Source):
    """A file, a glob or a folder; each file, or sub-folder of files, is a resource."""

    kind = "files"
    summary = "CSV, JSON, JSON lines and Parquet files, packed or not, and Excel and OpenDocument workbooks"
    example = 'kind = "files"\npath = "drops/"'
    settings = {
        "path": "folder, file or glob, from the workspace; s3://bucket/folder/*.csv; an http(s) address of a file",
        "resources": "name = { path, key, timestamp, format, sheet, header_row }; every file when left out",
        "limits": "{ rows_per_second }",
        "header": "whether CSV files start with column names; found out when left out",
        "delimiter": "of CSV files; found out when left out",
        "sheet": "of workbooks; the first that is shown when left out",
        "header_row": "row of a sheet that names the columns, 0 for none; found when left out",
        "endpoint": "address of the S3-compatible storage; AWS when left out",
        "region": "of the bucket; AWS_REGION or us-east-1 when left out",
        "access_key": "for S3, as ${NAME}; AWS_ACCESS_KEY_ID when left out",
        "secret_key": "for S3, as ${NAME}; AWS_SECRET_ACCESS_KEY when left out",
        "session_token": "for S3, with temporary keys; AWS_SESSION_TOKEN when left out",
        "anonymous": "true for a public bucket, read without keys",
        "writable": "true when `export` may write below this s3:// path",
        "auth": "of http(s): { bearer }, { basic = { user, password } } or { api_key = { header or query, value } }",
        "retries": "of s3 and http(s): { attempts, total_seconds, first_delay, longest_delay }",
    }

    def __init__(self, name: str, config: Mapping[str, Json], root: Path) -> None:
        super().__init__(name, config, root)
        path = config.get("path")
        if not isinstance(path, str) or not path:
            raise WorkspaceError("A files source needs a path", where=self.where, hint='Write path = "drops/".')
        self.path = as_folder(path)
        self._remote = Remote(config, self.where)
        if not isinstance(config.get("writable", False), bool):
            raise WorkspaceError("writable must be true or false", where=self.where)
        if config.get("writable") and not path.startswith("s3://"):
            raise WorkspaceError("writable is for a path on S3 storage", where=self.where,
                                 hint="Exports into the workspace's own folders need no permission.")
        self.limit("rows_per_second")
        for settings in (config, *(config.get("resources") or {}).values()):
            _check_sheet(settings, self.where)
        for resource, table in (config.get("resources") or {}).items():
            for key in table:
                if key not in RESOURCE_KEYS:
                    raise WorkspaceError(f"resources.{resource}.{key} is not a setting", where=self.where,
                                         hint=did_you_mean(key, RESOURCE_KEYS, "setting"))

    @property
    def folder(self) -> Path:
        """The folder that no file of this source may lie outside of."""
        whole = self.root / self.path
        plain = Path(*_until_glob(whole.parts))
        return plain if plain.is_dir() else plain.parent

    def resources(self) -> tuple[Resource, ...]:
        declared = self.config.get("resources") or {}
        if declared:
            return tuple(Resource(self.name, n, t.get("key"), t.get("timestamp")) for n, t in declared.items())
        return tuple(Resource(self.name, name) for name in self._with_sheets(self._found()))

    def _with_sheets(self, found: Mapping[str, list[str]]) -> list[str]:
        """The names found, and NAME.SHEET for the further sheets that a workbook on this machine shows."""
        names = []
        for name, files in found.items():
            names.append(name)
            if len(files) == 1 and not is_remote(files[0]) and _format(name_of(files[0])) == "excel" and not self.config.get("sheet"):
                names += [f"{name}.{sheet}" for sheet in sheets_shown(files[0], self.where)[1:]]
        return names

    def _sheet(self, resource: str) -> tuple[str | None, int | None]:
        """Sheet and header row of a resource, as it is declared or named."""
        declared = (self.config.get("resources") or {}).get(resource, {})
        of_book = _book(resource, self._found()) if not self.config.get("resources") else None
        sheet = resource[len(of_book) + 1:] if of_book else declared.get("sheet", self.config.get("sheet"))
        return sheet, declared.get("header_row", self.config.get("header_row"))

    def _found(self) -> dict[str, list[str]]:
        """Name -> files of every resource that isn't declared."""
        if is_remote(self.path):
            return self._found_remote()
        whole = self.root / self.path
        if whole.is_dir():
            return self._in_folder(whole)
        files = self._files(str(whole))
        return {_stem(whole.name): files} if files else {}

    def _found_remote(self) -> dict[str, list[str]]:
        files = self._remote.matching(self.path, _silent)
        if _format(name_of(self.path)) or not self.path.startswith("s3://") or any(c in self.path for c in "*?["):
            return {_stem(name_of(self.path)): files} if files else {}
        found: dict[str, list[str]] = {}
        for file in files:
            folder, _, name = file.removeprefix(self.path).rpartition("/")
            if not _format(name) or any(part.startswith((".", LOCK)) for part in (*folder.split("/"), name)) or "/" in folder:
                continue
            known = found.setdefault(folder or (name if _stem(name) in found else _stem(name)), [])
            known.append(file)
        return found

    def _in_folder(self, folder: Path) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith((".", LOCK)):
                continue
            if entry.is_dir():
                inside = sorted(str(p) for p in entry.iterdir() if p.is_file() and _format(p.name) and not p.name.startswith(LOCK))
                if inside:
                    found[entry.name] = inside
            elif _format(entry.name):
                name = entry.name if _stem(entry.name) in found else _stem(entry.name)
                found[name] = [str(entry)]
        return found

    def _files(self, pattern: str) -> list[str]:
        if Path(pattern).exists():
            return [pattern]
        found = glob.glob(pattern, recursive=True)  # noqa: PTH207 (may be absolute)
        return sorted(p for p in found if Path(p).is_file() and not Path(p).name.startswith(LOCK))

    def _of(self, resource: str, notify: Notify) -> tuple[list[str], str]:
        """Files and format of a resource. Raises UnknownName, SourceRefused, PathRefused."""
        declared = self.config.get("resources") or {}
        if declared and resource not in declared:
            raise self.unknown_resource(resource, declared)
        if declared:
            path = str(declared[resource].get("path") or "")
            files = self._declared_files(path, notify) if path else self._found().get(resource, [])
            format_ = declared[resource].get("format")
        else:
            found = self._found()
            book = _book(resource, found)
            if resource not in found and book is None:
                raise self.unknown_resource(resource, found)
            files, format_ = found[book or resource], None
        if not files:
            raise SourceRefused(f"No file for the resource {resource!r}",
                                where=self.where if is_remote(self.path) else str(self.folder),
                                hint="Check path in intendant.toml.")
        for file in files:
            self._inside(file)
        format_ = format_ or _format(name_of(files[0]))
        if format_ not in set(FORMATS.values()):
            raise SourceRefused(f"{name_of(files[0])!r} is of no known format", where=self.where,
                                hint=f"Known are: {', '.join(FORMATS)}; or set format of the resource.")
        if len({_format(name_of(f)) for f in files}) > 1:
            raise SourceRefused(f"The files of {resource!r} are of several formats", where=self.where,
                                hint="Declare one resource for each format.")
        return files, str(format_)

    def _declared_files(self, path: str, notify: Notify) -> list[str]:
        if is_remote(path):
            return self._remote.matching(path, notify)
        if is_remote(self.path):
            return self._remote.matching(self._remote.within(self.path, path), notify)
        return self._files(str(self.folder / path))

    def _inside(self, file: str) -> None:
        if is_remote(file):
            return
        real, folder = Path(file).resolve(), self.folder.resolve()
        if real != folder and folder not in real.parents:
            raise PathRefused(f"{Path(file).name!r} leads out of the source's folder", where=str(self.folder),
                              hint="A source reads only files below its path; move the file there.")

    def may_write(self, target: str) -> bool:
        """Whether the object `target` lies below this source's path, and the source says `writable = true`."""
        return bool(self.config.get("writable")) and covers(self.path, target, self.where)

    def put(self, file: Path, target: str, notify: Notify) -> None:
        """Puts a local file as the object `target`, whole or not at all. Raises PathRefused, SourceError, WorkspaceError."""
        if not self.may_write(target):
            raise PathRefused(f"{target!r} is not below a path that may be written", where=self.where, hint="Set writable = true.")
        self._remote.put(file, target, notify)

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """See Source.read; CSV and Parquet push down columns, order, count and cursor."""
        files, format_ = self._of(request.resource, notify)
        pace, read = Pace(self.limit("rows_per_second")), 0
        con = engine()
        try:
            for table in self._tables(con, files, format_, request, notify):
                read += table.num_rows
                notify("source.progress", {"rows": read, "total": None})
                yield table
                pace.wait(table.num_rows)
                if request.count and not request.order and read >= request.count:
                    return
        except duckdb.Error as error:
            raise SourceDamaged(f"{name_of(files[0])!r} can't be read as {format_}: {_brief(error)}",
                                where=self.where) from error
        finally:
            con.close()

    def direct(self, request: ReadRequest) -> Sequence[tuple[str, Sequence[Json]]]:
        """See Source.direct: for all rows of local CSV files, read at full speed."""
        whole = request == ReadRequest(request.resource)
        files, format_ = self._of(request.resource, _silent) if whole else ([], "")
        if format_ != "csv" or is_remote(files[0]) or self.limit("rows_per_second"):
            return ()
        con = engine()
        try:
            opened = [self._csv(con, file) for file in files]
            statements = [csv.statement() for csv in opened]
        except duckdb.Error:
            return ()
        finally:
            con.close()
        found = [(sql, [csv.file]) for sql, csv in zip(statements, opened, strict=True) if sql]
        return found if len(found) == len(files) else ()

    def _csv(self, con: duckdb.DuckDBPyConnection, file: str) -> Csv:
        return Csv(con, literal(file), self.config.get("delimiter"), self.config.get("header"))

    def _tables(self, con: duckdb.DuckDBPyConnection, files: list[str], format_: str, request: ReadRequest,
                notify: Notify) -> Iterator[pa.Table]:
        kinds = Kinds()
        with closing(self._groups(files, notify)) as groups:
            for group in groups:
                yield from self._group(con, group, format_, request, notify, kinds)

    def _groups(self, files: list[str], notify: Notify) -> Generator[list[str], None, None]:
        """The files as they are on this machine; fetched ones are gone once the next group is asked for."""
        if is_remote(files[0]):
            yield from self._remote.local(files, notify)
        else:
            yield files

    def _group(self, con: duckdb.DuckDBPyConnection, files: list[str], format_: str, request: ReadRequest,
               notify: Notify, kinds: Kinds) -> Iterator[pa.Table]:
        def reject(reason: str, raw: str) -> None:
            notify("source.row_rejected", {"reason": reason, "raw": raw})

        if format_ in ("json", "jsonl"):
            for table in document_tables(con, files, reject, self.where, kinds):
                kinds.tell(notify)
                yield table
            return
        if format_ == "excel":
            sheet, header_row = self._sheet(request.resource)
            for file in files:
                yield from Excel(file, self.where, sheet, header_row).tables(request, reject, kinds)
                kinds.tell(notify)
            return
        if format_ == "csv":
            for file in files:
                try:
                    yield from self._csv(con, file).tables(request, reject, BATCH_ROWS)
                except duckdb.Error as error:
                    raise unreadable(Path(file), error, self.where) from error
            return
        files, relation = [literal(file) for file in files], "read_parquet(?, union_by_name = true)"
        names = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}", [files]).fetchall()}
        picked = [c for c in request.columns if c in names] if request.columns else []
        select = ", ".join(quoted(c) for c in picked) or "*"
        sql = f"SELECT {select} FROM {relation} {condition(request, names)}"
        reader = con.execute(sql, [files, *values_of(request, names)]).to_arrow_reader(BATCH_ROWS)
        yield from (pa.Table.from_batches([batch]) for batch in reader if batch.num_rows)


def _silent(kind: str, data: Mapping[str, Json]) -> None:
    pass


def _until_glob(parts: tuple[str, ...]) -> list[str]:
    out: list[str] = []
    for part in parts:
        if any(c in part for c in "*?["):
            break
        out.append(part)
    return out


def _unpacked(name: str) -> str:
    return next((name[: -len(s)] for s in PACKED if name.lower().endswith(s)), name)


def _format(name: str) -> str:
    return FORMATS.get(Path(_unpacked(name)).suffix.lower(), "")


def _book(resource: str, found: Mapping[str, list[str]]) -> str | None:
    """The workbook that a resource NAME.SHEET is a sheet of; None for one that is found under its own name."""
    books = [n for n, files in found.items() if resource.startswith(f"{n}.") and _format(name_of(files[0])) == "excel"]
    return max(books, key=len, default=None) if resource not in found else None


def _check_sheet(settings: Mapping[str, Json], where: str) -> None:
    row, sheet = settings.get("header_row", 1), settings.get("sheet", "")
    if isinstance(row, bool) or not isinstance(row, int) or row < 0:
        raise WorkspaceError(f"header_row must be a row's number, not {row!r}", where=where, hint="Write header_row = 3, or 0 for none.")
    if not isinstance(sheet, str):
        raise WorkspaceError(f"sheet must be a sheet's name, not {sheet!r}", where=where, hint='Write sheet = "Sales".')


def _stem(name: str) -> str:
    stem = Path(_unpacked(Path(name).name)).stem
    return re.sub(r"[*?\[\]]+", "", stem).strip("-_. ") or "files"


def _brief(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0][:200]
