"""Files of a folder, read by DuckDB: CSV, JSON, JSON lines and Parquet, packed or not.

CSV columns get a type only when every value of the whole file survives it: codes with leading zeros stay text.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from intendant.errors import PathRefused, SourceDamaged, SourceRefused, WorkspaceError, did_you_mean
from intendant.sources.base import Notify, Source
from intendant.sources.wire.columns import engine
from intendant.sources.wire.csv import Csv
from intendant.sources.wire.documents import document_tables
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.pace import Pace
from intendant.sources.wire.query import condition, quoted, values_of
from intendant.types import Json, ReadRequest, Resource

__all__ = ["FilesSource"]

FORMATS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
           ".parquet": "parquet", ".pq": "parquet"}
PACKED = (".gz", ".zst")
BATCH_ROWS = 100_000
RESOURCE_KEYS = {
    "path": "file or glob, from the source's folder",
    "key": "column that identifies a row",
    "timestamp": "column that tells when a row was made or changed",
    "format": "csv, json, jsonl or parquet, where the name doesn't tell",
}


class FilesSource(Source):
    """A file, a glob or a folder; each file, or sub-folder of files, is a resource."""

    kind = "files"
    summary = "CSV, JSON, JSON lines and Parquet files, packed or not"
    example = 'kind = "files"\npath = "drops/"'
    settings = {
        "path": "folder, file or glob, from the workspace",
        "resources": "name = { path, key, timestamp, format }; every file when left out",
        "limits": "{ rows_per_second }",
        "header": "whether CSV files start with column names; found out when left out",
        "delimiter": "of CSV files; found out when left out",
    }

    def __init__(self, name: str, config: Mapping[str, Json], root: Path) -> None:
        super().__init__(name, config, root)
        path = config.get("path")
        if not isinstance(path, str) or not path:
            raise WorkspaceError("A files source needs a path", where=self.where, hint='Write path = "drops/".')
        self.path = path
        self.remote = "://" in path
        self.limit("rows_per_second")
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
        return tuple(Resource(self.name, name) for name in self._found())

    def _found(self) -> dict[str, list[str]]:
        """Name -> files of every resource that isn't declared."""
        if self.remote:
            return {_stem(self.path): [self.path]}
        whole = self.root / self.path
        if whole.is_dir():
            return self._in_folder(whole)
        files = self._files(str(whole))
        return {_stem(whole.name): files} if files else {}

    def _in_folder(self, folder: Path) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                inside = sorted(str(p) for p in entry.iterdir() if p.is_file() and _format(p.name))
                if inside:
                    found[entry.name] = inside
            elif _format(entry.name):
                name = entry.name if _stem(entry.name) in found else _stem(entry.name)
                found[name] = [str(entry)]
        return found

    def _files(self, pattern: str) -> list[str]:
        if Path(pattern).exists():
            return [pattern]
        return sorted(p for p in glob.glob(pattern, recursive=True) if Path(p).is_file())  # noqa: PTH207 (may be absolute)

    def _of(self, resource: str) -> tuple[list[str], str]:
        """Files and format of a resource. Raises UnknownName, SourceRefused, PathRefused."""
        declared = self.config.get("resources") or {}
        if declared and resource not in declared:
            raise self.unknown_resource(resource, declared)
        if declared:
            path = str(declared[resource].get("path") or "")
            files = self._declared_files(path) if path else self._found().get(resource, [])
            format_ = declared[resource].get("format")
        else:
            found = self._found()
            if resource not in found:
                raise self.unknown_resource(resource, found)
            files, format_ = found[resource], None
        if not files:
            raise SourceRefused(f"No file for the resource {resource!r}", where=str(self.folder),
                                hint="Check path in intendant.toml.")
        for file in files:
            self._inside(file)
        format_ = format_ or _format(files[0])
        if format_ not in set(FORMATS.values()):
            raise SourceRefused(f"{Path(files[0]).name!r} is of no known format", where=self.where,
                                hint=f"Known are: {', '.join(FORMATS)}; or set format of the resource.")
        if len({_format(f) for f in files}) > 1:
            raise SourceRefused(f"The files of {resource!r} are of several formats", where=self.where,
                                hint="Declare one resource for each format.")
        return files, str(format_)

    def _declared_files(self, path: str) -> list[str]:
        return [path] if "://" in path else self._files(str(self.folder / path))

    def _inside(self, file: str) -> None:
        if "://" in file:
            return
        real, folder = Path(file).resolve(), self.folder.resolve()
        if real != folder and folder not in real.parents:
            raise PathRefused(f"{Path(file).name!r} leads out of the source's folder", where=str(self.folder),
                              hint="A source reads only files below its path; move the file there.")

    def read(self, request: ReadRequest, notify: Notify) -> Iterator[pa.Table]:
        """See Source.read; CSV and Parquet push down columns, order, count and cursor."""
        files, format_ = self._of(request.resource)
        pace, read = Pace(self.limit("rows_per_second")), 0
        con = engine()
        try:
            if any("://" in file for file in files):
                self._allow_remote(con)
            for table in self._tables(con, files, format_, request, notify):
                read += table.num_rows
                notify("source.progress", {"rows": read, "total": None})
                yield table
                pace.wait(table.num_rows)
                if request.count and not request.order and read >= request.count:
                    return
        except duckdb.Error as error:
            raise SourceDamaged(f"{Path(files[0]).name!r} can't be read as {format_}: {_brief(error)}",
                                where=self.where) from error
        finally:
            con.close()

    def _tables(self, con: duckdb.DuckDBPyConnection, files: list[str], format_: str, request: ReadRequest,
                notify: Notify) -> Iterator[pa.Table]:
        def reject(reason: str, raw: str) -> None:
            notify("source.row_rejected", {"reason": reason, "raw": raw})

        if format_ in ("json", "jsonl"):
            kinds = Kinds()
            for table in document_tables(con, files, reject, self.where, kinds):
                kinds.tell(notify)
                yield table
            return
        if format_ == "csv":
            for file in files:
                csv = Csv(con, file, self.config.get("delimiter"), self.config.get("header"))
                yield from csv.tables(request, reject, BATCH_ROWS)
            return
        relation = "read_parquet(?, union_by_name = true)"
        names = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}", [files]).fetchall()}
        picked = [c for c in request.columns if c in names] if request.columns else []
        select = ", ".join(quoted(c) for c in picked) or "*"
        sql = f"SELECT {select} FROM {relation} {condition(request, names)}"
        reader = con.execute(sql, [files, *values_of(request, names)]).to_arrow_reader(BATCH_ROWS)
        yield from (pa.Table.from_batches([batch]) for batch in reader if batch.num_rows)

    def _allow_remote(self, con: duckdb.DuckDBPyConnection) -> None:
        try:
            con.execute("LOAD httpfs")
        except duckdb.Error as error:
            raise SourceRefused("Reading files by address needs DuckDB's extension httpfs, which isn't installed",
                                where=self.where,
                                hint="Where there is a network, run once: python -c \"import duckdb; "
                                     "duckdb.execute('INSTALL httpfs')\"; or copy the file to a folder.") from error


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


def _stem(name: str) -> str:
    stem = Path(_unpacked(Path(name).name)).stem
    return re.sub(r"[*?\[\]]+", "", stem).strip("-_. ") or "files"


def _brief(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0][:200]
