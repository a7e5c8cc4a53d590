"""Parses groups of pages side by side and gives their tables in order: the engine alone leaves a core idle.

The first group goes alone, so that the others find the form of its rows known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from intendant.sources.wire.form import Known
from intendant.sources.wire.kinds import Kinds
from intendant.sources.wire.rows import JsonRows

__all__ = ["Parsed", "parsed"]

Parsed = tuple[pa.Table, list[tuple[str, str]]]
"""A group's rows, and its rejected rows as (reason, raw text)."""
ABREAST = 2


def parsed(groups: Iterator[list[bytes]], where: str, abreast: bool, kinds: Kinds) -> Iterator[Parsed]:
    """Each group's table and rejects, in order; one at a time unless `abreast`. Raises SourceDamaged.

    `kinds` learns what the columns hold, of groups read ahead too.
    """
    known = Known()
    readers = [JsonRows(known, not abreast, kinds) for _ in range(ABREAST if abreast else 1)]
    try:
        if not abreast:
            yield from (_parse(readers[0], group, where) for group in groups)
            return
        with ThreadPoolExecutor(ABREAST) as pool:
            waiting: deque[Future[Parsed]] = deque()
            try:
                for number, group in enumerate(groups):
                    if len(waiting) == (ABREAST if number > 1 else 1):
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(_parse, readers[number % ABREAST], group, where))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        for reader in readers:
            reader.close()


def _parse(rows: JsonRows, group: list[bytes], where: str) -> Parsed:
    rejects: list[tuple[str, str]] = []
    return rows.table(group, lambda reason, raw: rejects.append((reason, raw)), where), rejects
