"""The storage agent: what to do when room gets short, in the order of what frees most at the least risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from intendant.agents.base import Agent, Decision
from intendant.catalog import Catalog
from intendant.language.grammar import grammar
from intendant.types import Json, in_bytes

__all__ = ["Offer", "StorageAgent"]

RISK = {"compact": 0.0, "vacuum": 0.1, "archive": 0.3, "drop": 0.5}
"""What each way costs if it turns out wrong: the share by which its bytes count less. Compacting loses no row and no
version, a vacuum the way back to old versions; an archive can be restored, a table dropped with its versions can't."""
LAST_VERSIONS = 10
"""How many versions are kept from now on, where an offer lets go of all that are there."""


@dataclass(frozen=True)
class Offer:
    """A plan that makes room: its text, why, and the bytes that it frees, as measured."""

    kind: str
    table: str
    intent: str
    why: str
    bytes: int


class StorageAgent(Agent):
    role = "storage"

    def decide(self, event: str, facts: Mapping[str, Json], catalog: Catalog) -> Decision:
        """Near its quota, the measured ways to make room, best first."""
        if event != "storage.near_capacity":
            return Decision()
        offers = self.offers(facts)
        share = f"the lake holds {facts.get('share', 0):.0%} of its quota"
        if not offers:
            return Decision(why=f"{share}: raise policy.quota_gb or drop what isn't needed")
        return Decision(tuple(o.intent for o in offers), why=f"{share}; or raise policy.quota_gb")

    def offers(self, facts: Mapping[str, Json]) -> tuple[Offer, ...]:
        """What the `candidates` of the facts come to, ranked: bytes freed, those of riskier ways counting less."""
        candidates = [c for c in facts.get("candidates", ()) if c["bytes"] > 0]
        ranked = sorted(candidates, key=lambda c: (-c["bytes"] * (1 - RISK[c["kind"]]), c["table"]))
        return tuple(Offer(c["kind"], c["table"], *said(c), int(c["bytes"])) for c in ranked)


def said(c: Mapping[str, Json]) -> tuple[str, str]:
    """The plan of a candidate, and why."""
    kinds = grammar().kinds
    table, size = kinds["table"].write(c["table"]), in_bytes(c["bytes"])
    if c["kind"] == "vacuum":
        why = f"frees {size}: {c['kept_versions']} versions are kept, the last {c['versions']} would be"
        return f"retain {table} versions {c['versions']}", why
    after = f"retain {table} versions 1\nretain {table} versions {c.get('policy') or LAST_VERSIONS}"
    if c["kind"] == "compact":
        why = f"frees {size}: {c['files']} small files, of {in_bytes(c['live'])}, take {in_bytes(c['packed'])} in large ones"
        return f"optimize {table} for storage\n{after}", f"{why}; earlier versions go"
    if c["kind"] == "archive":
        by = kinds["column"].write(c["column"])
        why = (f"frees {size}: {c['rows']:,} of {c['total']:,} rows are older than {c['age']}, "
               f"{reading(c)}; earlier versions go, the rows can be restored")
        return f"archive {table} older than {c['age']} by {by}\n{after}", why
    return f"drop {table} with versions", f"frees {size}: nothing read or wrote it for {c['days']} days; it can't be brought back"


def reading(c: Mapping[str, Json]) -> str:
    if not c["queries"]:
        return "no query is known that reads them"
    return f"{c['readers']} of {c['queries']} known queries may read them"
