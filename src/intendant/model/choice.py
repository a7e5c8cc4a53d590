"""Which language model a workspace speaks with: a server, a file, or the only file of its models folder."""

from __future__ import annotations

from pathlib import Path

from intendant.errors import ModelError
from intendant.workspace import Workspace

__all__ = ["configured", "language_model", "models_folder"]


def models_folder(workspace: Workspace) -> Path:
    """Where `intendant model pull` puts files."""
    return workspace.state / "models"


def language_model(workspace: Workspace) -> Path | None:
    """The file named by `[model] path`, or the only GGUF file of the models folder. Raises ModelError."""
    if workspace.model.path:
        return workspace.root / workspace.model.path
    files = sorted(models_folder(workspace).glob("[!.]*.gguf"))
    if len(files) > 1:
        names = ", ".join(f.name for f in files)
        raise ModelError(
            "which model is meant can't be told",
            where=str(workspace.root / "intendant.toml"),
            hint=f'Say it: [model] path = ".intendant/models/FILE.gguf". There is: {names}.',
        )
    return files[0] if files else None


def configured(folder: Path) -> str:
    """What the workspace of a folder, or of the nearest one above it, speaks with: an address, a path, or "" for neither."""
    for place in (folder, *folder.parents):
        if (place / "intendant.toml").is_file():
            workspace = Workspace.open(place)
            return workspace.model.endpoint or str(language_model(workspace) or "")
    return ""
