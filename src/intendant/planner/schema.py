"""The part of the catalog that is shown beside a sentence: the tables, resources and queries it may be about, with columns.

A column that is only implied ("still open" is `closed_at is null`) can be chosen because it stands here by its name.
Whatever the sentence names comes first, then the tables that own what it names, until the room is used up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from intendant.catalog import Catalog
from intendant.language.grammar import grammar
from intendant.language.lexer import quote_string
from intendant.planner.mentions import column_family
from intendant.planner.words import split_name
from intendant.types import Column, split_table

__all__ = ["NEXT", "schema_of"]

NEXT = "|"
"""Stands between the sentence and every place that is shown."""
ROOM, MOST_WORDS = 100, 122
"""Words after which no place is shown with its columns any more, and none by its name."""
SHOWN_TABLES, SHOWN_RESOURCES, SHOWN_QUERIES, SHOWN_COLUMNS = 3, 2, 3, 40
LISTED = 6
VALUED = 1
"""Tables whose columns of few values are shown with these."""

Add = Callable[[str, str], str | None]
"""(family, text in the language) -> the id, or None when there are no more."""


def schema_of(
    catalog: Catalog,
    tables: Sequence[str],
    resources: Sequence[str],
    listed: Sequence[str],
    said: Iterable[str],
    add: Add,
    values: Mapping[tuple[str, str], Sequence[str]],
) -> list[str]:
    """Words and ids of the places to show. `tables` and `resources` by how likely they are meant, `listed` are
    resources to show without columns; `said` are the columns (in the language's text) that the sentence speaks of, which
    are shown whatever the room; `values` of columns that have few, by table and column.
    """
    kinds = grammar().kinds
    out: list[str] = []
    known, spelled = set(said), set[str]()

    def place(head: list[str], columns: Sequence[Column], valued: str = "") -> None:
        room = ROOM - len(out)
        shown = [NEXT, *head]
        for n, c in enumerate(columns):
            text = kinds.name(c.name)
            words = split_name(c.name)
            if text not in known and (n >= SHOWN_COLUMNS or len(shown) + len(words) >= room):
                continue
            made = add(column_family(c), text)
            if made:
                shown += [made] if made in spelled else [made, *words]
                spelled.add(made)
                for v in values.get((valued, c.name), ()) if len(shown) + 12 < room else ():
                    value = add("V", quote_string(v))
                    shown += [value, *split_name(v)] if value else []
        out.extend(shown)

    def listing(family: str, text: str, words: Sequence[str]) -> None:
        made = add(family, text) if len(out) < MOST_WORDS else None
        if made:
            out.extend([NEXT, made, *words])

    for n, name in enumerate(tables[:SHOWN_TABLES]):
        made = add("T", kinds["table"].write(name)) if len(out) < ROOM else None
        if made:
            schema, rest = split_table(name)
            head = [made, *([schema] if schema != "main" else []), *split_name(rest)]
            place(head, catalog.tables[name].columns, name if n < VALUED else "")
    for full in resources[:SHOWN_RESOURCES]:
        r = catalog.resources[full]
        made = add("R", kinds["resource"].write(full)) if len(out) < ROOM else None
        if made:
            place([made, *split_name(r.source), *split_name(r.name)], r.columns)
    for full in [*resources[SHOWN_RESOURCES:], *listed][:LISTED]:
        listing("R", kinds["resource"].write(full), split_name(full))
    for name in [*tables[SHOWN_TABLES:], *(t for t in catalog.tables if t not in tables)][:LISTED]:
        listing("T", kinds["table"].write(name), split_name(name))
    for name in list(catalog.queries)[:SHOWN_QUERIES]:
        listing("Q", kinds.name(name), split_name(name))
    return out
