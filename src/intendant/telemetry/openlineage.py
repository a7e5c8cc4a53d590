"""A run as OpenLineage events, to a file of the workspace or to a URL; column lineage is the journal's.

Source of the shapes: the OpenLineage specification 2-0-2 and its columnLineage facet 1-2-0.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence

from intendant.errors import WorkspaceError
from intendant.types import Event, Json
from intendant.workspace import Workspace

__all__ = ["emit", "events_of", "facet_of"]

PRODUCER = "https://github.com/intendant-data/intendant"
RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
COLUMN_LINEAGE = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
DOCUMENTATION = "https://openlineage.io/spec/facets/1-0-1/DocumentationJobFacet.json"
ENDS = {"succeeded": "COMPLETE", "failed": "FAIL", "rolled_back": "ABORT"}
SECONDS = 10


def events_of(facts: Sequence[Event], namespace: str) -> list[dict[str, Json]]:
    """START and the end of a run (COMPLETE, FAIL or ABORT); [] while it waits or runs."""
    proposed = next((e for e in facts if e.kind == "plan.proposed"), None)
    ended = [e for e in facts if e.kind == "run.finished" and e.data["status"] in ENDS]
    if proposed is None or not ended:
        return []
    published = [e for e in facts if e.kind == "table.published"]
    run = {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{namespace}/{proposed.run}"))}
    described = {"_producer": PRODUCER, "_schemaURL": DOCUMENTATION, "description": proposed.data["intent"]}
    job = {"namespace": namespace, "name": proposed.data["plan"].splitlines()[0][:200], "facets": {"documentation": described}}
    base = {"run": run, "job": job, "producer": PRODUCER, "schemaURL": RUN_EVENT}
    start = {**base, "eventType": "START", "eventTime": proposed.at, "inputs": [], "outputs": []}
    end = {
        **base,
        "eventType": ENDS[ended[-1].data["status"]],
        "eventTime": ended[-1].at,
        "inputs": [{"namespace": namespace, "name": n} for n in inputs_of(published)],
        "outputs": [output_of(e, namespace) for e in published],
    }
    return [start, end]


def inputs_of(published: Sequence[Event]) -> list[str]:
    names = [n for e in published for n in (*e.data.get("inputs", {}), e.data.get("resource", "")) if n]
    return list(dict.fromkeys(names))


def output_of(event: Event, namespace: str) -> dict[str, Json]:
    parts = {c: [s.rpartition(".") for s in sources] for c, sources in event.data.get("columns", {}).items()}
    facet = column_lineage({c: [(p[0], p[2]) for p in found] for c, found in parts.items()}, namespace)
    return {"namespace": namespace, "name": event.data["table"], "facets": {"columnLineage": facet}}


def facet_of(sources: Mapping[str, Sequence[tuple[str, str]]], workspace: Workspace) -> dict[str, Json]:
    """The columnLineage facet of a table whose columns were made of (table or source, column), in the workspace's namespace."""
    return column_lineage(sources, workspace.openlineage.get("namespace", workspace.root.name))


def column_lineage(sources: Mapping[str, Sequence[tuple[str, str]]], namespace: str) -> dict[str, Json]:
    fields = {
        column: {"inputFields": [{"namespace": namespace, "name": name, "field": own} for name, own in found]}
        for column, found in sources.items()
    }
    return {"_producer": PRODUCER, "_schemaURL": COLUMN_LINEAGE, "fields": fields}


def emit(workspace: Workspace, facts: Sequence[Event]) -> int:
    """Sends a run's events where `[openlineage]` says (`file` or `url`); how many. Raises WorkspaceError.

    Without that section nothing is sent. A line of the file is one event.
    """
    where = workspace.openlineage
    if not where:
        return 0
    events = events_of(facts, where.get("namespace", workspace.root.name))
    if where.get("file"):
        path = workspace.inside(where["file"])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as f:
                f.writelines(json.dumps(e, ensure_ascii=False) + "\n" for e in events)
        except OSError as e:
            raise WorkspaceError(
                f"the lineage file can't be written: {e.strerror}", where=str(path), hint="Check [openlineage] file."
            ) from None
    elif where.get("url"):
        post(where["url"], events)
    else:
        raise WorkspaceError("[openlineage] says neither file nor url", hint='Add file = "out/lineage.jsonl".')
    return len(events)


def post(url: str, events: Sequence[dict[str, Json]]) -> None:
    import httpx  # only workspaces that send lineage need it

    try:
        for event in events:
            httpx.post(url, json=event, timeout=SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        raise WorkspaceError(
            f"the lineage server did not take the event: {type(e).__name__}", where=url, hint="Check [openlineage] url."
        ) from None
