"""The command `lineage`: printed as a tree or JSON, drawn as a page or a picture, or told as OpenLineage tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from intendant.errors import UsageError
from intendant.faces.options import HERE, AsJson, Folder, opened, printed

__all__ = ["lineage"]


def lineage(
    name: Annotated[str, typer.Argument(help="TABLE or TABLE.COLUMN")],
    workspace: Folder = HERE,
    html: Annotated[Path | None, typer.Option("--html", help="Draw it on a page of its own.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw it as a picture.")] = None,
    facet: Annotated[bool, typer.Option("--openlineage", help="Print the columnLineage facet of OpenLineage.")] = False,
    as_json: AsJson = False,
) -> None:
    """Where a table or a column came from, up to the source and the sentence."""
    intendant = opened(workspace, as_json)
    if facet:
        from intendant.run.lineage_graph import sources_of
        from intendant.telemetry.openlineage import facet_of

        told = facet_of(sources_of(intendant.journal, intendant.lake, name), intendant.workspace)
        print(json.dumps({"columnLineage": told}, ensure_ascii=False, indent=None if as_json else 2))
        return
    if html is None and svg is None:
        printed(intendant.lineage(name), as_json, "show_lineage")
        return
    from intendant.faces import lineage_picture
    from intendant.run.lineage_graph import graph

    drawn = graph(intendant.journal, intendant.lake, name)
    made = [(html, lineage_picture.page), (svg, lineage_picture.svg)]
    for path, draw in made:
        if path is not None:
            put(path, draw(drawn))
    printed({"lineage": name, "files": ", ".join(str(p) for p, _ in made if p is not None)}, as_json, "show_made")


def put(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UsageError(f"{str(path)!r} can't be written: {e.strerror}", hint="Give another file.") from None
