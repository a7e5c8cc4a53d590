"""What `intendant model info` tells: the planner's model, the language model of agents, and where models are served."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from intendant.errors import ModelError
from intendant.model.card import info
from intendant.model.choice import language_model
from intendant.model.pieces import LONGEST
from intendant.model.server.registration import running
from intendant.model.weights import fingerprint, read_weights
from intendant.types import Json
from intendant.workspace import Workspace

__all__ = ["facts"]


def facts(workspace: Workspace | None) -> dict[str, Json]:
    """The planner's model (its card's fields, "sha256", "context", "vocabulary", "scores"), "language_model", "endpoint",
    "served": the servers that run here, of this user. Raises ModelError.
    """
    which: str | Path = workspace.model.planner if workspace else "embedded"
    found = info(which if which == "embedded" or workspace is None else workspace.root / which)
    path = Path(str(found["file"]))
    digest = fingerprint(path)
    out = {**found, "sha256": digest, **shape(path, found), "scores": scores(path)}
    if "model" in found:
        out["as_trained"] = found["model"] == digest
    own = language_model(workspace) if workspace else None
    out["language_model"] = described(own) if own else None
    out["endpoint"] = workspace.model.endpoint if workspace else ""
    out["served"] = [{k: v for k, v in asdict(r).items() if k != "sha256"} for r in running()]
    return out


def shape(path: Path, card: dict[str, Json]) -> dict[str, Json]:
    """Context and vocabulary, in tokens: of the file where it is GGUF, of the card for any other. For the reader these are
    the numbers of a prompt that are read, and its word pieces."""
    if path.suffix == ".gguf":
        weights = read_weights(path)
        return {"context": weights.context, "vocabulary": weights.vocabulary}
    said = card.get("shape") or {}
    return {"context": LONGEST, "vocabulary": said.get("pieces")}


def scores(path: Path) -> dict[str, Json]:
    """The last of each score that the card follows over the steps of training: [[step, value], ...]."""
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    series = {k: v for k, v in card.items() if isinstance(v, list) and v and all(_point(p) for p in v)}
    return {k: v[-1][1] for k, v in series.items()}


def _point(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(x, int | float) for x in value)


def described(path: Path) -> dict[str, Json]:
    """A GGUF file, and where it was pulled from; of a checkpoint's folder what its config says."""
    if path.is_dir():
        return checkpoint(path)
    w = read_weights(path)
    try:
        note = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        note = {}
    digest = fingerprint(path)
    out: dict[str, Json] = {
        "name": w.name,
        "file": str(path),
        "bytes": w.bytes,
        "architecture": w.architecture,
        "parameters": w.parameters,
        "context": w.context,
        "vocabulary": w.vocabulary,
        "chat": w.chat,
        "sha256": digest,
    }
    if note.get("sha256"):
        out |= {
            "repository": note.get("repository"),
            "commit": note.get("commit"),
            "as_pulled": note["sha256"] == digest,
        }
    return out


def checkpoint(folder: Path) -> dict[str, Json]:
    """A checkpoint for transformers. Raises ModelError for a folder that is none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        hint = "It must hold config.json, the weights and the tokenizer; or name a .gguf file."
        raise ModelError(f"the folder {folder.name!r} is no checkpoint", where=str(folder), hint=hint) from None
    return {
        "name": folder.name,
        "file": str(folder),
        "bytes": sum(f.stat().st_size for f in folder.glob("*.safetensors")),
        "architecture": config.get("model_type", ""),
        "context": config.get("max_position_embeddings", 0),
        "vocabulary": config.get("vocab_size", 0),
    }
