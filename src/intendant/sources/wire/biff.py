"""Errors among the cells of binary workbooks, record by record: .xls (MS-XLS, in an OLE file) and .xlsb (MS-XLSB)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from intendant.errors import SourceDamaged, SourceRefused
from intendant.sources.wire.cells import ERRORS, Survey, bounded, not_too_many

__all__ = ["xls_survey", "xlsb_sheets", "xlsb_survey"]

SECTOR_END = 0xFFFFFFF0
BOUNDSHEET, FILEPASS, EOF, FORMULA, BOOLERR = 0x85, 0x2F, 0x0A, 0x06, 0x205
ROW, ERROR, FORMULA_ERROR, BUNDLE = 0, 3, 11, 156
CELLS = range(2, 12)


def xls_survey(data: bytes, sheet: str, name: str, where: str) -> Survey:
    """Error cells of one sheet. Raises SourceDamaged, SourceRefused for one with a password."""
    try:
        stream = _workbook(data)
        start = _start_of(stream, sheet, name, where)
        errors: dict[tuple[int, int], str] = {}
        for kind, at, size in _records(stream, start):
            if kind == EOF:
                break
            if kind == BOOLERR and size >= 8 and stream[at + 7]:
                errors[_cell(stream, at)] = ERRORS.get(stream[at + 6], "an error")
            elif kind == FORMULA and size >= 14 and stream[at + 12:at + 14] == b"\xff\xff" and stream[at + 6] == 2:
                errors[_cell(stream, at)] = ERRORS.get(stream[at + 8], "an error")
    except (struct.error, IndexError, ValueError) as error:
        raise SourceDamaged(f"{name!r} is damaged: {error}", where=where, hint="Save it anew as .xlsx.") from error
    return Survey(errors)


def xlsb_sheets(data: bytes) -> dict[str, str]:
    """Name -> id of its relation, of each sheet in workbook.bin."""
    found: dict[str, str] = {}
    try:
        for kind, at, size in _big_records(data):
            if kind == BUNDLE and size >= 12:
                rel, after = _wide(data, at + 8)
                found[_wide(data, after)[0]] = rel
    except (struct.error, IndexError):
        pass  # a sheet that isn't found is an error of its own
    return found


def xlsb_survey(data: bytes, name: str, where: str) -> Survey:
    """Error cells of a sheet's part. Raises SourceTooLarge, SourceDamaged."""
    errors: dict[tuple[int, int], str] = {}
    row = last = widest = 0
    try:
        for kind, at, _ in _big_records(data):
            if kind == ROW:
                row = struct.unpack_from("<I", data, at)[0]
            elif kind in CELLS:
                column = struct.unpack_from("<I", data, at)[0]
                last, widest = max(last, row + 1), max(widest, column + 1)
                if kind in (ERROR, FORMULA_ERROR):
                    errors[row, column] = ERRORS.get(data[at + 8], "an error")
                    not_too_many(len(errors), name, where)
    except (struct.error, IndexError) as error:
        raise SourceDamaged(f"{name!r} is damaged: {error}", where=where, hint="Save it anew as .xlsx.") from error
    bounded(last, widest, name, where)
    return Survey(errors)


def _cell(stream: bytes, at: int) -> tuple[int, int]:
    row, column = struct.unpack_from("<HH", stream, at)
    return row, column


def _records(stream: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Kind, offset of the body and its size, of each record from `at` on."""
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield kind, at + 4, size
        at += 4 + size


def _start_of(stream: bytes, sheet: str, name: str, where: str) -> int:
    for kind, at, size in _records(stream, 0):
        if kind == FILEPASS:
            raise SourceRefused(f"{name!r} is protected by a password", where=where,
                                hint="Save it without a password, and protect the folder instead.")
        if kind == BOUNDSHEET:
            body = stream[at:at + size]
            wide = len(body) > 7 and body[7] & 1
            raw = body[8:8 + body[6] * (2 if wide else 1)]
            old = body[7:7 + body[6]] == sheet.encode("cp1252", "replace")  # before Excel 97 a name has no flags
            if old or raw.decode("utf-16-le" if wide else "latin-1", "replace") == sheet:
                return int(struct.unpack_from("<I", body)[0])
        if kind == EOF:
            break
    if sheet:
        raise ValueError(f"the cells of the sheet {sheet!r} are not where the workbook says")
    return len(stream)


def _workbook(data: bytes) -> bytes:
    """The stream `Workbook` (or `Book`) of an OLE file (MS-CFB)."""
    size = 1 << struct.unpack_from("<H", data, 30)[0]
    if size not in (512, 4096):
        raise ValueError("its sectors have no size")
    sectors, first_directory = len(data) // size, struct.unpack_from("<I", data, 48)[0]
    table_sectors = min(struct.unpack_from("<I", data, 44)[0], sectors)
    least, first_more = struct.unpack_from("<I", data, 56)[0], struct.unpack_from("<I", data, 68)[0]

    def sector(number: int) -> bytes:
        return data[(number + 1) * size:(number + 2) * size]

    listed = list(struct.unpack_from("<109I", data, 76))
    more = first_more
    while more < SECTOR_END and len(listed) < table_sectors + 109:
        entries = struct.unpack(f"<{size // 4}I", sector(more))
        listed += entries[:-1]
        more = entries[-1]
    table = b"".join(sector(n) for n in listed[:table_sectors] if n < SECTOR_END)
    following = struct.unpack(f"<{len(table) // 4}I", table)

    def chain(first: int) -> bytes:
        out, seen = [], 0
        while first < SECTOR_END:
            if seen > sectors:
                raise ValueError("its sectors go round")
            out.append(sector(first))
            first, seen = following[first], seen + 1
        return b"".join(out)

    directory = chain(first_directory)
    for at in range(0, len(directory) - 127, 128):
        entry = directory[at:at + 128]
        title = entry[:max(0, struct.unpack_from("<H", entry, 64)[0] - 2)].decode("utf-16-le", "replace")
        if title in ("Workbook", "Book"):
            first, length = struct.unpack_from("<II", entry, 116)
            if length >= least:
                return chain(first)[:length]
            return _small(chain(struct.unpack_from("<I", directory, 116)[0]), chain(struct.unpack_from("<I", data, 60)[0]),
                          first, length)
    raise ValueError("it holds no workbook")


def _small(container: bytes, table: bytes, first: int, length: int) -> bytes:
    """A stream below the size that gets sectors of its own: pieces of 64 bytes."""
    following = struct.unpack(f"<{len(table) // 4}I", table)
    out: list[bytes] = []
    while first < SECTOR_END and len(out) <= len(container) // 64:
        out.append(container[first * 64:(first + 1) * 64])
        first = following[first]
    return b"".join(out)[:length]


def _big_records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, offset and size of each record; both numbers are packed in 7 bits a byte (MS-XLSB 2.1.4)."""
    at, end = 0, len(data)
    while at < end:
        kind = data[at]
        at += 1
        if kind & 0x80 and at < end:
            kind = (kind & 0x7F) | ((data[at] & 0x7F) << 7)
            at += 1
        size = shift = 0
        while at < end:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 21:
                break
        yield kind, at, size
        at += size


def _wide(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where it ends."""
    length = struct.unpack_from("<I", data, at)[0]
    end = at + 4 + 2 * length
    return data[at + 4:end].decode("utf-16-le", "replace"), end
