"""The cold place: rows that left a table, as Parquet files beside a manifest that says what they must be.

An archive counts once its manifest is there, and its rows are out of the table once the table's log says so: whether they
may come back is read from that log, so that a rollback over an archive never brings rows twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from intendant.engines.base import quoted, text
from intendant.engines.parquet import escaped
from intendant.errors import Damaged, LakeError
from intendant.lake.disk import space_guard, sync_file, sync_folder
from intendant.lake.names import encode
from intendant.lake.store import unfenced
from intendant.types import Column, Json, Snapshot, Stamp

if TYPE_CHECKING:
    from intendant.engines.duckdb import DuckDB
    from intendant.lake.lake import Lake

__all__ = ["ARCHIVE", "RESTORED", "Folder", "Manifest", "Place", "archive_id", "brought", "fetched", "moved", "out_of"]

ARCHIVE, RESTORED = "archive", "restore archive "
"""Operations of the log: rows left for the archive of that run and step; those of an archive came back."""
MANIFEST = "manifest.json"
FILE, SAFE = re.compile(r"[\w-]+\.parquet"), re.compile(r"[\w-]{1,100}", re.ASCII)
FILE_BYTES = "512MB"
CHUNK = 1 << 22


class Place(Protocol):
    """Where archives lie; a key is `TABLE/ID/NAME`. Each method raises LakeError or SourceError that names the place."""

    def put(self, file: Path, key: str) -> None:
        """Puts a file whole, over one that is there; the file itself may be gone afterwards."""
        ...

    def get(self, key: str, spare: Path) -> Path:
        """The file on this machine: where it lies, or fetched to `spare`. FileNotFoundError when there is none."""
        ...

    def named(self, key: str) -> str:
        """How a key is shown."""
        ...


class Folder:
    """A cold place on this machine, or mounted on it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def named(self, key: str) -> str:
        return str(self.root / key)

    def put(self, file: Path, key: str) -> None:
        target = self.root / key
        draft = target.with_name(f".{target.name}.part")
        with self._guard(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                try:
                    file.rename(draft)
                except OSError:  # another disk
                    shutil.copyfile(file, draft)
                sync_file(draft)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
            for folder in (target.parent, target.parent.parent, self.root):
                sync_folder(folder)

    def get(self, key: str, spare: Path) -> Path:
        path = self.root / key
        if not path.is_file():
            raise FileNotFoundError(str(path))
        return path

    @contextmanager
    def _guard(self, target: Path) -> Iterator[None]:
        try:
            with space_guard(str(target)):
                yield
        except OSError as error:
            raise LakeError(
                f"The archive can't be written: {error.strerror}",
                where=str(target.parent),
                hint="Look at the folder's rights, or name another as `cold` of [storage]. The table is unchanged.",
            ) from error


@dataclass(frozen=True)
class Manifest:
    """What an archive holds. `files` are (name, bytes, SHA-256); `version` is the table's before its rows left."""

    id: str
    table: str
    version: int
    columns: tuple[Column, ...]
    predicate: str
    sentence: str
    rows: int
    files: tuple[tuple[str, int, str], ...]
    run: str
    step: str
    at: str

    @property
    def bytes(self) -> int:
        return sum(size for _, size, _ in self.files)

    @property
    def digest(self) -> str:
        """SHA-256 over everything it says."""
        return hashlib.sha256(json.dumps(self._said(), sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def key(self, name: str = MANIFEST) -> str:
        return f"{encode(self.table)}/{self.id}/{name}"

    def _said(self) -> dict[str, Json]:
        files = [{"name": n, "bytes": b, "sha256": s} for n, b, s in self.files]
        columns = [{"name": c.name, "type": c.type} for c in self.columns]
        return {**self.__dict__, "columns": columns, "files": files, "bytes": self.bytes, "format": 1}

    def written(self) -> str:
        return json.dumps({**self._said(), "digest": self.digest}, indent=1, ensure_ascii=False)

    @classmethod
    def read(cls, place: Place, table: str, archive: str, spare: Path) -> Manifest:
        """The manifest of an archive. Raises Damaged for one that is gone, broken or was changed."""
        key = f"{encode(table)}/{archive}/{MANIFEST}"
        where = place.named(key)
        try:
            said: Json = json.loads(place.get(key, spare / MANIFEST).read_text(encoding="utf-8"))
            files = tuple((f["name"], int(f["bytes"]), f["sha256"]) for f in said["files"])
            columns = tuple(Column(c["name"], c["type"]) for c in said["columns"])
            found = cls(
                said["id"],
                said["table"],
                said["version"],
                columns,
                said["predicate"],
                said["sentence"],
                said["rows"],
                files,
                said["run"],
                said["step"],
                said["at"],
            )
            whole = said["digest"] == found.digest and all(FILE.fullmatch(n) for n, _, _ in files)
        except FileNotFoundError:
            raise Damaged(f"The manifest of the archive {archive!r} is not there", where=where, hint=BACK) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Damaged(f"The manifest of the archive {archive!r} can't be read", where=where, hint=BACK) from error
        if not whole:
            raise Damaged(f"The manifest of the archive {archive!r} was changed", where=where, hint=BACK)
        return found


BACK = "Bring the archive's folder back from a copy. The table is unchanged."


def archive_id(run: str, step: str) -> str:
    """The archive that a step makes: as its stamp, where that can name a folder."""
    return (
        f"{run}-{step}"
        if SAFE.fullmatch(f"{run}-{step}")
        else hashlib.sha256(f"{run}\0{step}".encode()).hexdigest()[:24]
    )


def moved(
    engine: DuckDB,
    snapshot: Snapshot,
    leaves: str,
    place: Place,
    stamp: Stamp,
    sentence: str,
    work: Path,
    fence: Callable[[], None] = unfenced,
) -> Manifest | None:
    """Copies the rows for which the SQL `leaves` is true into an archive, read again and compared; None when there is none.

    The table is as it was. `fence` is called right before anything is put: what another worker archived in this step's place
    must stay. Raises Damaged when what was read again isn't what was written, DiskFull, LakeError, SourceError.
    """
    source = f"SELECT * FROM ({engine.scan(snapshot)}) AS t WHERE {leaves}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        with space_guard(str(work)):
            work.mkdir(parents=True)
        with engine.session({snapshot.table: snapshot}) as con:
            rows, mark = con.execute(MARK.format(source)).fetchall()[0]
            if not rows:
                return None
            con.execute(
                f"COPY ({source}) TO {text(str(work / 'rows'))} (FORMAT parquet, COMPRESSION zstd, "
                f"FILE_SIZE_BYTES '{FILE_BYTES}')"
            )
        made = sorted(f for f in (work / "rows").iterdir())
        files = tuple((f"rows-{i}.parquet", f.stat().st_size, _sha256(f)) for i, f in enumerate(made))
        manifest = Manifest(
            archive_id(stamp.run, stamp.step),
            snapshot.table,
            snapshot.version,
            snapshot.columns,
            leaves,
            sentence,
            rows,
            files,
            stamp.run,
            stamp.step,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for (name, _, _), file in zip(files, made, strict=True):
            fence()
            place.put(file, manifest.key(name))
        paths = _checked(manifest, place, work)
        if engine.rows(MARK.format(brought(manifest, paths)), {})[1][0] != (rows, mark):
            raise Damaged(
                "The archive, read again, isn't what was written",
                where=place.named(manifest.key("")),
                hint="Look at the disk and run it again; the table is unchanged.",
            )
        note = work / MANIFEST
        note.write_text(manifest.written(), encoding="utf-8")
        fence()
        place.put(note, manifest.key())
        return manifest
    finally:
        shutil.rmtree(work, ignore_errors=True)


MARK = "SELECT count(*), sum(hash(t)::HUGEINT) FROM ({}) AS t"
"""The number of rows and a sum over their hashes, which neither order nor files change."""


@contextmanager
def fetched(manifest: Manifest, place: Place, work: Path) -> Iterator[list[Path]]:
    """The archive's files on this machine, each held against the manifest. Raises Damaged that names a file."""
    shutil.rmtree(work, ignore_errors=True)
    try:
        with space_guard(str(work)):
            work.mkdir(parents=True)
        yield _checked(manifest, place, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def brought(manifest: Manifest, files: Sequence[Path]) -> str:
    """SQL of the archived rows, with the columns and types that they left with."""
    listed = ", ".join(text(escaped(str(f))) for f in files)
    shown = ", ".join(f"CAST({quoted(c.name)} AS {c.type}) AS {quoted(c.name)}" for c in manifest.columns)
    return f"SELECT {shown} FROM read_parquet([{listed}], hive_partitioning = false)"


def _checked(manifest: Manifest, place: Place, work: Path) -> list[Path]:
    paths = []
    for name, size, digest in manifest.files:
        key = manifest.key(name)
        try:
            path = place.get(key, work / f"again-{name}")
        except FileNotFoundError:
            raise Damaged(
                f"A file of the archive {manifest.id!r} is not there", where=place.named(key), hint=BACK
            ) from None
        if path.stat().st_size != size or _sha256(path) != digest:
            raise Damaged(f"A file of the archive {manifest.id!r} is damaged", where=place.named(key), hint=BACK)
        paths.append(path)
    return paths


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def out_of(lake: Lake, table: str) -> Mapping[str, bool]:
    """For each archive that the table's log knows: whether its rows are out of the table as it is now."""
    now: dict[str, bool] = {}
    at: list[dict[str, bool]] = []
    for commit in lake._log(table).commits():
        ours = commit.info.get("intendant") or {}
        operation = str(ours.get("operation", ""))
        if operation == ARCHIVE:
            now[archive_id(str(ours.get("run")), str(ours.get("step")))] = True
        elif operation.startswith(RESTORED):
            now[operation.removeprefix(RESTORED)] = False
        elif back := re.fullmatch(r"restore to version (\d+)", operation):
            earlier = at[int(back[1])] if int(back[1]) < len(at) else {}
            now = {k: earlier.get(k, False) for k in now} | earlier
        at.append(dict(now))
    return now
