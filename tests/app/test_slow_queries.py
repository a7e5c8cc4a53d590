"""A slow query is noted, and the optimisation agent proposes what would help."""

from __future__ import annotations

from pathlib import Path

from intendant import Intendant


def test_a_query_slower_than_the_threshold_brings_a_proposal_to_optimise_its_table(tmp_path: Path) -> None:
    Intendant.init(tmp_path / "ws").close()
    with (tmp_path / "ws" / "intendant.toml").open("a") as f:
        f.write("[thresholds]\nslow_query_ms = 0.001\n")
    (tmp_path / "t.csv").write_text("n\n1\n2\n")
    with Intendant(tmp_path / "ws") as app:
        app.load(tmp_path / "t.csv", "t")
        assert app.sql("SELECT max(n) AS m FROM t WHERE n > 1")["rows"] == [[2]]
        told = {e.kind: e.data for e in app.events()}
    assert told["query.ran"]["filters"] == ["n"]
    assert told["performance.degraded"]["table"] == "t"
    assert told["proposal.made"]["intent"] == "optimize t for latency"
    assert told["proposal.made"]["agent"] == "optimization"
