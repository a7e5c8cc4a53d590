"""A run's events folded into the one object that `do` answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from intendant.types import Event, Json, Output, Result, Status

__all__ = ["outcome"]


def outcome(run_id: str, events: Sequence[Event], timing: Mapping[str, float]) -> Result:
    """The Result of a run so far; a run that has not ended is "waiting_approval" or, while it runs, "failed" without error."""
    by_kind: dict[str, list[Event]] = {}
    for e in events:
        by_kind.setdefault(e.kind, []).append(e)
    proposed = by_kind["plan.proposed"][0].data
    ended = by_kind.get("run.finished", [])
    status = cast(Status, ended[-1].data["status"] if ended else "waiting_approval")
    error = next((e.data["error"] for e in reversed(by_kind.get("step.failed", []))), None)
    if not ended:
        error = {
            "code": "running",
            "message": "the run has not ended yet",
            "where": run_id,
            "hint": "`intendant runs` shows when it has.",
        }
    undone = {(e.data["table"], e.data["undone"]) for e in by_kind.get("table.rolled_back", [])}
    audits = [*by_kind.get("quality.failed", []), *by_kind.get("quality.passed", [])]
    done = by_kind.get("step.done", []) + by_kind.get("step.looked", [])
    findings = _findings(done, audits)
    requests = by_kind.get("approval.requested", [])
    reason = ""
    if status == "waiting_approval" and requests:
        reason = requests[-1].data["why"]
    elif status == "rolled_back":
        reason = "; ".join(f["evidence"] for f in findings[:5]) or "the check failed"
    return Result(
        status,
        run_id,
        proposed["intent"],
        proposed["plan"],
        tuple(_steps(events)),
        proposed.get("confidence"),
        reason=reason,
        outputs=tuple(_outputs(by_kind, done, undone)),
        answer=next((e.data["answer"] for e in done if e.data.get("answer")), None),
        findings=tuple(findings),
        error=error if status == "failed" or not ended else None,
        timing_ms=dict(timing),
        approval=f"{run_id}.{requests[-1].seq}" if status == "waiting_approval" and requests else "",
    )


def _outputs(by_kind: Mapping[str, list[Event]], done: Sequence[Event], undone: set[tuple[str, int]]) -> list[Output]:
    out: dict[tuple[str, int], Output] = {}
    for e in by_kind.get("table.published", []):
        d = e.data
        out[d["table"], d["version"]] = Output(d["table"], d["version"], d["rows"], d.get("rows_quarantined", 0))
    for e in done:
        for o in e.data.get("outputs", ()):
            out[o["table"], o["version"]] = Output(**o)
    return [o for key, o in out.items() if key not in undone]


def _findings(done: Sequence[Event], audits: Sequence[Event]) -> list[dict[str, Json]]:
    seen, out = set(), []
    for f in [f for e in (*done, *audits) for f in e.data.get("findings", ())]:
        mark = (f["check"], f["table"], f.get("column"), f["evidence"])
        if mark not in seen:
            seen.add(mark)
            out.append(f)
    return out


def _steps(events: Sequence[Event]) -> list[dict[str, Json]]:
    """One object a step: its text, what came of it, the rules it used, milliseconds."""
    out: dict[str, dict[str, Json]] = {}
    for e in events:
        index = e.key.partition(".")[0]
        if not index.isdigit():
            continue
        step = out.setdefault(index, {"step": "", "verb": "", "state": "started", "rules": [], "ms": 0.0})
        d = e.data
        if d.get("step") and isinstance(d["step"], str):
            step["step"], step["verb"] = d["step"], d["step"].partition(" ")[0]
        step["rules"] = d.get("rules") or step["rules"]
        step["ms"] = round(step["ms"] + float(d.get("ms", 0) or 0), 2)
        if e.kind in ("step.done", "table.published"):
            step["state"] = "done"
            for name in (
                "severity",
                "completeness",
                "consistency",
                "verdict",
                "optimization",
                "rows",
                "rows_quarantined",
                "note",
            ):
                if name in d:
                    step[name] = d[name]
        if e.kind == "step.failed":
            step["state"], step["error"] = "failed", d["error"]
    return [out[k] for k in sorted(out, key=int)]
