"""What `[engine] kind = "spark"` needs, and what of it is missing here, each with the mend."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re

from intendant.engines.spark_connect import LOOK, address_of, bare, port_fault
from intendant.engines.spark_session import INSTALL, JAVA, LEAST_JAVA, java, java_fault, java_version
from intendant.errors import IntendantError
from intendant.types import Json
from intendant.workspace import Workspace

__all__ = ["spark_rows"]

CONNECT = ("grpc", "grpc_status", "google.protobuf", "pandas", "zstandard")
"""What the client of Spark Connect imports."""


def spark_rows(workspace: Workspace) -> list[dict[str, Json]]:
    """Rows of `doctor`: pyspark and Java, or pyspark and the server."""
    rows = [pyspark()]
    if workspace.engine.url:
        return [*rows, *connect(workspace)]
    return [*rows, java_row(), *([away] if (away := master(workspace.engine.master)) else [])]


def row(what: str, fault: str, detail: str, mend: str = "") -> dict[str, Json]:
    return {
        "what": what,
        "state": "problem" if fault else "ok",
        "detail": fault or detail,
        "mend": mend if fault else "",
    }


def pyspark() -> dict[str, Json]:
    if importlib.util.find_spec("pyspark") is None:
        return row("pyspark", 'not installed, but [engine] says kind = "spark"', "", f"`{INSTALL}`.")
    version = importlib.metadata.version("pyspark")
    fault = "" if version.startswith("4.") else f"{version} is installed, and version 4 is needed"
    return row("pyspark", fault, version, f"`{INSTALL} --upgrade`.")


def java_row() -> dict[str, Json]:
    fault, path = java_fault(), java()
    if fault:
        return row("Java", fault, "", JAVA)
    version = java_version(path)
    silent = "" if version is not None else f"{path} doesn't say its version when asked with -version"
    return row("Java", silent, f"{version}, {path}", f"It must be Java {LEAST_JAVA} or newer. {JAVA}")


def master(address: str) -> dict[str, Json] | None:
    """A standalone cluster's port; None for every other master."""
    found = re.match(r"spark://([^:/,]+):(\d+)", address)
    if not found:
        return None
    fault = port_fault(f"sc://{found[1]}:{found[2]}")
    return row("Spark master", fault and f"{address} does not answer: {fault}", f"{address} answers",
               "Look whether it runs and whether `master` in [engine] is right.")  # fmt: skip


def connect(workspace: Workspace) -> list[dict[str, Json]]:
    """The packages of Spark Connect's client, and whether somebody is at the port; nothing is asked of the server."""
    lacking = [m for m in CONNECT if not installed(m)]
    fault = f"{', '.join(lacking)} not installed, which Spark Connect needs" if lacking else ""
    rows = [row("Spark Connect client", fault, "installed", f"`{INSTALL}`.")]
    where = bare(workspace.engine.url)
    try:
        url = workspace.engine_url(workspace.engine.url)
        address_of(url)
        closed = port_fault(url)
    except IntendantError as e:
        return [*rows, row("Spark Connect", e.message, "", e.hint)]
    return [*rows, row("Spark Connect", closed and f"{where} does not answer: {closed}", f"{where} answers", LOOK)]


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package above it
        return False
