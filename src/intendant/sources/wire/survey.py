"""What a workbook's own bytes tell before it is read: how large it unpacks, which cells are errors or very long numbers.

The reader gives an empty cell for an error, rounds integers that a double can't hold, takes damaged bytes as they come,
and lays a sheet out as a full rectangle of cells, however few are filled.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from intendant.errors import SourceDamaged, SourceRefused, SourceTooLarge
from intendant.sources.wire import biff, opendocument
from intendant.sources.wire.cells import Survey, bounded, is_bent, not_too_many

__all__ = ["kind_of", "sheet_names", "surveyed"]

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MOST_UNPACKED = 2 << 30
MOST_XML = 16 << 20
MOST_OLD = 512 << 20
CHUNK = 1 << 20
MOST_CELL = 16 << 20
LONGEST_TAG = 4096
LONGEST_FORMULA = 65_536
ROOT = re.compile(rb"<(\w+:)?worksheet\b")
TYPED = re.compile(rb"\bt=[\"'](\w+)[\"']")
BLOCK = 4 << 20
SKIPPED = re.compile(r"(^|/)(media|embeddings|worksheets|chartsheets|dialogsheets|macrosheets|Pictures|Thumbnails)/")
PASSWORD = {"hint": "Save it without a password, and protect the folder instead."}


def kind_of(file: Path, where: str) -> str:
    """xlsx, xlsb, ods or xls, by content. Raises SourceDamaged, SourceRefused for one that is encrypted."""
    with file.open("rb") as stream:
        head = stream.read(len(OLE))
    if head == OLE:
        if _holds(file, "EncryptedPackage".encode("utf-16-le")):
            raise _locked(file, where)
        return "xls"
    if not head.startswith(b"PK"):
        raise SourceDamaged(f"{file.name!r} is no workbook: it begins with {head[:8]!r}", where=where,
                            hint="Open it in a spreadsheet program and save it as .xlsx; if it is CSV, name it .csv.")
    names = set(_Parts(file, where).infos)
    for kind, part in (("xlsx", "xl/workbook.xml"), ("xlsb", "xl/workbook.bin"), ("ods", "content.xml")):
        if part in names:
            return kind
    raise SourceDamaged(f"{file.name!r} is a zip file that holds no workbook", where=where,
                        hint="Only .xlsx, .xlsm, .xlsb, .xls and .ods are read.")


def sheet_names(file: Path, where: str) -> list[tuple[str, bool]] | None:
    """Names of an xlsx file's sheets and whether each is shown, without reading their cells; None for other kinds."""
    if kind_of(file, where) != "xlsx":
        return None
    return [(name, shown) for name, shown, _ in _xlsx_sheets(_Parts(file, where))]


def surveyed(file: Path, kind: str, sheet: str, where: str) -> Survey:
    """The survey of one sheet of a file of that kind; checks sums and sizes of all that the reader will unpack.

    Raises SourceTooLarge, SourceDamaged, SourceRefused.
    """
    if kind == "xls":
        if file.stat().st_size > MOST_OLD:
            raise SourceTooLarge(f"{file.name!r} is larger than {MOST_OLD >> 20} MB", where=where, hint="Save it as .xlsx.")
        return biff.xls_survey(file.read_bytes(), sheet, file.name, where)
    parts = _Parts(file, where)
    if kind == "ods":
        if b"encryption-data" in parts.whole("META-INF/manifest.xml"):
            raise _locked(file, where)
        return opendocument.ods_survey(parts.stream("content.xml"), sheet, file.name, where)
    for name in parts.infos:
        if not SKIPPED.search(name) and name.lower().endswith((".xml", ".bin", ".rels")):
            for _ in parts.stream(name):
                pass
    if kind == "xlsx":
        path = next((p for n, _, p in _xlsx_sheets(parts) if n == sheet), "")
        return _xlsx_survey(parts, path) if path in parts.infos else _absent(parts, sheet)
    related = _related(parts.whole("xl/_rels/workbook.bin.rels"))
    target = related.get(biff.xlsb_sheets(parts.whole("xl/workbook.bin")).get(sheet, ""), "")
    if target not in parts.infos:
        return _absent(parts, sheet)
    return biff.xlsb_survey(parts.whole(target, MOST_UNPACKED), file.name, where)


def _absent(parts: _Parts, sheet: str) -> Survey:
    """Nothing where no sheet was asked for. Raises SourceDamaged for one whose cells can't be looked at."""
    if sheet:
        raise parts.damaged(f"the cells of the sheet {sheet!r} are not where the workbook says")
    return Survey()


class _Parts:
    """A zip file's parts, unpacked with a limit that no header can lie about, their check sums compared."""

    def __init__(self, file: Path, where: str) -> None:
        self.file, self.where, self._unpacked = file, where, 0
        try:
            with zipfile.ZipFile(file) as packed:
                self.infos = {info.filename: info for info in packed.infolist()}
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
            raise self.damaged(str(error)) from error

    def damaged(self, why: str) -> SourceDamaged:
        return SourceDamaged(f"{self.file.name!r} is damaged: {why}", where=self.where,
                             hint="Fetch the file again, or save it anew in a spreadsheet program.")

    def whole(self, name: str, most: int = MOST_XML) -> bytes:
        """A part's bytes; nothing when there is no such part."""
        if name not in self.infos:
            return b""
        held = bytearray()
        for chunk in self.stream(name):
            held += chunk
            if len(held) > most:
                raise SourceTooLarge(f"{name!r} in {self.file.name!r} is larger than {most >> 20} MB unpacked", where=self.where)
        return bytes(held)

    def stream(self, name: str) -> Iterator[bytes]:
        info, size, crc = self.infos[name], 0, 0
        if info.flag_bits & 1:
            raise _locked(self.file, self.where)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.damaged(f"{name!r} is packed in a way that is not read")
        for chunk in self._inflated(info):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
            self._unpacked += len(chunk)
            if self._unpacked > MOST_UNPACKED:
                raise SourceTooLarge(f"{self.file.name!r} unpacks to more than {MOST_UNPACKED >> 30} GB", where=self.where,
                                     hint="If it is no attack, split the workbook, or save it as CSV.")
            yield chunk
        if crc != info.CRC or size != info.file_size:
            raise self.damaged(f"the check sum of {name!r} is wrong")

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-15) if info.compress_type else None
        with self.file.open("rb") as raw:
            raw.seek(info.header_offset)
            head = raw.read(30)
            if head[:4] != b"PK\3\4" or len(head) < 30:
                raise self.damaged(f"{info.filename!r} is not where the file says")
            raw.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
            left = info.compress_size
            try:
                while left > 0 and (some := raw.read(min(CHUNK, left))):
                    left -= len(some)
                    if inflate is None:
                        yield some
                        continue
                    while some and not inflate.eof:
                        yield inflate.decompress(some, BLOCK)
                        some = inflate.unconsumed_tail
            except zlib.error as error:
                raise self.damaged(str(error)) from error


def _locked(file: Path, where: str) -> SourceRefused:
    return SourceRefused(f"{file.name!r} is protected by a password", where=where, **PASSWORD)


def _holds(file: Path, mark: bytes) -> bool:
    with file.open("rb") as stream:
        tail = b""
        while chunk := stream.read(BLOCK):
            if mark in tail + chunk:
                return True
            tail = chunk[-len(mark):]
    return False


def _elements(text: bytes, parts: _Parts, name: str) -> Iterator[ElementTree.Element]:
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise parts.damaged("it declares entities, which a workbook has no use for")
    try:
        yield from ElementTree.fromstring(text).iter()
    except ElementTree.ParseError as error:
        raise parts.damaged(f"{name!r} is no XML: {error}") from error


def _related(text: bytes) -> dict[str, str]:
    """Id -> part, of a workbook's relations."""
    found: dict[str, str] = {}
    for tag in re.findall(rb"<(?:\w+:)?Relationship\b[^>]*>", text):
        id_, target = (re.search(rb"\b" + key + rb"\s*=\s*[\"']([^\"']*)", tag) for key in (b"Id", b"Target"))
        if id_ and target:
            path = target[1].decode("utf-8", "replace")
            found[id_[1].decode("utf-8", "replace")] = path.lstrip("/") if path.startswith("/") else f"xl/{path}"
    return found


def _xlsx_sheets(parts: _Parts) -> list[tuple[str, bool, str]]:
    """Name, whether it is shown, and part of each sheet of cells, in the workbook's order."""
    related = _related(parts.whole("xl/_rels/workbook.xml.rels"))
    found = []
    for element in _elements(parts.whole("xl/workbook.xml"), parts, "xl/workbook.xml"):
        if element.tag.rpartition("}")[2] == "sheet":
            path = next((related.get(v, "") for k, v in element.attrib.items() if k.endswith("}id")), "")
            if "/worksheets/" in path or not re.search(r"/(chart|dialog|macro)sheets/", path):
                found.append((element.get("name", ""), element.get("state", "visible") == "visible", path))
    return found


def _xlsx_survey(parts: _Parts, path: str) -> Survey:
    """Streams a sheet's XML; cells begin with <c, whatever the prefix of their namespace."""
    sheet, held = None, b""
    for chunk in _with_end(parts.stream(path)):
        held += chunk
        if sheet is None:
            root = ROOT.search(held, 0, CHUNK)
            if root is None or b"<!DOCTYPE" in held or b"<!ENTITY" in held:
                raise parts.damaged(f"{path!r} is no sheet in UTF-8" if root is None else "it declares entities, which no workbook needs")
            sheet = _Sheet(parts, root[1] or b"")
        cut = sheet.last_start(held) if chunk else len(held)
        if cut == 0 and len(held) > MOST_CELL:
            raise parts.damaged("a cell is larger than 16 MB")
        if cut < 0:
            held = held[-LONGEST_TAG:]
        elif cut:
            sheet.look(held[:cut])
            held = held[cut:]
    return sheet.survey() if sheet else Survey()


class _Sheet:
    """What was found in the cells of a sheet's XML so far."""

    def __init__(self, parts: _Parts, prefix: bytes) -> None:
        self.parts, self.tag = parts, b"<" + prefix + b"c"
        self.errors: dict[tuple[int, int], str] = {}
        self.exact: dict[tuple[int, int], str] = {}
        self.columns: set[bytes] = set()
        self.last = 0
        self.cell = re.compile(self.tag + rb"\s[^<>]*?\br=[\"']([A-Z]{1,3})(\d{1,7})[\"'][^<>]*(?<!/)>")
        self.start = re.compile(self.tag + rb"\s")
        self.long = re.compile(rb"<" + prefix + rb"v>\s*(-?\d{16,})\s*</")
        self.text = re.compile(rb"<" + prefix + rb"v>([^<]*)<")

    def last_start(self, block: bytes, first: int = 0, end: int | None = None) -> int:
        """Where the last cell begins; -1 when none does. A space follows its name, or in odd files other white space."""
        found = block.rfind(self.tag + b" ", first, end)
        return found if found >= 0 else max(block.rfind(self.tag + white, first, end) for white in (b"\n", b"\t", b"\r"))

    def look(self, block: bytes) -> None:
        """Looks at whole cells."""
        found = self.cell.findall(block)
        if found:
            self.columns.update(column for column, _ in found)
            self.last = max(self.last, int(found[-1][1]), int(found[0][1]))
        if b't="e"' in block or b"t='e'" in block:
            self._errors(block)
        for long in self.long.finditer(block):
            begin = self.last_start(block, max(0, long.start() - LONGEST_FORMULA), long.start())
            at = self.cell.match(block, begin) if begin >= 0 else None
            kind = TYPED.search(at[0]) if at else None
            if at and (kind is None or kind[1] == b"n") and is_bent(long[1].decode()):
                self.exact[_place(at)] = long[1].decode()
        not_too_many(len(self.errors) + len(self.exact), self.parts.file.name, self.parts.where)

    def _errors(self, block: bytes) -> None:
        starts = [m.start() for m in self.start.finditer(block)]
        for begin, end in zip(starts, [*starts[1:], len(block)], strict=True):
            piece = block[begin:end]
            kind = TYPED.search(piece[:piece.find(b">")])
            if kind is None or kind[1] != b"e":
                continue
            at, said = self.cell.match(piece), self.text.search(piece)
            if at is None:
                raise self.parts.damaged("a cell that holds an error has no address")
            self.errors[_place(at)] = (said[1] if said else b"an error").decode("utf-8", "replace")

    def survey(self) -> Survey:
        widest = max((_column(c) for c in self.columns), default=-1) + 1
        bounded(self.last, widest, self.parts.file.name, self.parts.where)
        return Survey(self.errors, self.exact)


def _with_end(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from (chunk for chunk in chunks if chunk)
    yield b""


def _place(cell: re.Match[bytes]) -> tuple[int, int]:
    return int(cell[2]) - 1, _column(cell[1])


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
