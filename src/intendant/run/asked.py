"""The queries that ran lately, read from the journal as it grows: what layouts are chosen by."""

from __future__ import annotations

from collections import Counter

from intendant.catalog import Query
from intendant.run.journal import Journal

__all__ = ["Asked"]

MOST_RUNS = 5000
MOST_QUERIES = 200


class Asked:
    """Keeps the texts of queries with how often each ran; every look reads only what is new."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.seen = journal, 0
        self.counts: Counter[str] = Counter()
        self.known: tuple[Query, ...] = ()

    def queries(self) -> tuple[Query, ...]:
        """The most frequent of them; `runs_per_day` is how often a query ran."""
        new = self.journal.events(kinds=["query.ran"], after=self.seen, newest=True, limit=MOST_RUNS)
        if new:
            self.seen = new[0].seq
            stamped = {(e.key.rpartition(" ")[0] or e.key, e.run, str(e.data.get("sql", ""))) for e in new}
            self.counts.update(sql for _, _, sql in stamped if sql)
            self.known = tuple(Query("", sql, float(n)) for sql, n in self.counts.most_common(MOST_QUERIES))
        return self.known
