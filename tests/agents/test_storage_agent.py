"""The storage agent decides from what was measured; it acts on nothing."""

from __future__ import annotations

import pytest

from intendant.agents.storage import StorageAgent
from intendant.catalog import Catalog
from intendant.language import parse, print_plan
from intendant.types import in_bytes

VACUUM = {"kind": "vacuum", "table": "orders", "bytes": 100, "versions": 3, "kept_versions": 9}
ARCHIVE = {
    "kind": "archive",
    "table": "staging.Old Orders",
    "bytes": 120,
    "column": "at",
    "age": "365 days",
    "rows": 5,
    "total": 10,
    "queries": 4,
    "readers": 1,
    "policy": 4,
}
DROP = {"kind": "drop", "table": "staging.rest", "bytes": 190, "days": 30}
PACK = {"kind": "compact", "table": "small", "bytes": 50, "files": 40, "live": 90, "packed": 40, "policy": None}


def test_ways_are_ranked_by_what_they_free_riskier_ones_counting_less() -> None:
    offers = StorageAgent().offers({"candidates": [DROP, PACK, ARCHIVE, VACUUM]})
    assert [(o.kind, o.bytes) for o in offers] == [("drop", 190), ("vacuum", 100), ("archive", 120), ("compact", 50)]


def test_every_offer_is_a_plan_of_the_language() -> None:
    for o in StorageAgent().offers({"candidates": [DROP, PACK, ARCHIVE, VACUUM]}):
        assert print_plan(parse(o.intent)) == o.intent


def test_an_offer_says_what_it_frees_and_what_it_costs() -> None:
    offers = StorageAgent().offers({"candidates": [DROP, PACK, ARCHIVE, VACUUM]})
    said = {o.kind: (o.intent.split("\n"), o.why) for o in offers}
    assert said["vacuum"] == (["retain orders versions 3"], "frees 100 B: 9 versions are kept, the last 3 would be")
    assert said["archive"][0] == [
        'archive staging."Old Orders" older than 365 days by "at"',
        'retain staging."Old Orders" versions 1',
        'retain staging."Old Orders" versions 4',
    ]
    assert "5 of 10 rows are older than 365 days, 1 of 4 known queries may read them" in said["archive"][1]
    assert said["drop"][0] == ["drop staging.rest with versions"]
    assert said["drop"][1] == "frees 190 B: nothing read or wrote it for 30 days; it can't be brought back"
    assert said["compact"][0][0] == "optimize small for storage"
    assert "40 small files, of 90 B, take 40 B in large ones" in said["compact"][1]


def test_with_nothing_to_free_it_names_the_quota() -> None:
    decision = StorageAgent().decide("storage.near_capacity", {"share": 0.93, "candidates": []}, Catalog())
    assert (decision.intents, decision.why) == (
        (),
        "the lake holds 93% of its quota: raise policy.quota_gb or drop what isn't needed",
    )
    assert StorageAgent().decide("data.ready", {}, Catalog()).intents == ()


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (3e15, "3,000.0 TB")]
)
def test_sizes_read_well(size: float, said: str) -> None:
    assert in_bytes(size) == said
