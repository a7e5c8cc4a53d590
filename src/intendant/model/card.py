"""What the planner's model is and where it came from: its file, its sizes, its training's hashes and scores."""

from __future__ import annotations

import json
from pathlib import Path

from intendant.errors import ModelError
from intendant.types import Json

__all__ = ["info"]

EMBEDDED = Path(__file__).with_name("reader.npz")


def info(which: str | Path = "embedded") -> dict[str, Json]:
    """{"name", "file", "bytes", "parameters", ...} from the model card beside the weights. Raises ModelError."""
    path = EMBEDDED if str(which) == "embedded" else Path(which)
    if not path.is_file():
        raise ModelError(f"there is no model file {str(path)!r}", where="model", hint="Train it: `make train`.")
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"the model card of {path.name!r} can't be read", where=str(path), hint="Train it: `make train`.") from None
    said = {k: v for k, v in card.items() if not isinstance(v, list)}
    return {"name": path.stem, "file": str(path), "bytes": path.stat().st_size, **said}
