"""A workspace's planner: its model, its memory, its tables to try plans on, and its language model where `[model] reads`."""

from __future__ import annotations

from intendant.engines.duckdb import DuckDB
from intendant.errors import ModelError
from intendant.lake import Lake
from intendant.model.backends import Backend, Message, open_backend
from intendant.model.choice import configured
from intendant.model.training.generate import bank
from intendant.operators._compile import Typing
from intendant.planner import Planner
from intendant.planner.language_reader import Chat, Example, LanguageReader
from intendant.planner.memory import Memory
from intendant.planner.results import Results
from intendant.workspace import Workspace

__all__ = ["chat_of", "language_reader", "planner_of"]


def planner_of(workspace: Workspace, engine: DuckDB, lake: Lake, memory: Memory) -> Planner:
    """The planner of a workspace. Raises ModelError for a language model that is wanted and not named."""
    which, typing = workspace.model.planner, Typing(engine, lake.snapshot)
    return Planner(
        None if which == "embedded" else workspace.root / which,
        typing,
        memory=memory,
        language=language_reader(workspace),
        results=Results(engine, typing, lake.snapshot),
    )


class Lazy:
    """A backend that is opened when it is first asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.backend: Backend | None = None

    def chat(self, messages: list[tuple[str, str]], most: int, grammar: str) -> str:
        """The model's answer. Raises ModelError."""
        if self.backend is None:
            self.backend = open_backend(self.name)
        said: list[Message] = [{"role": role, "content": content} for role, content in messages]
        return self.backend.chat(said, most, grammar)


def chat_of(workspace: Workspace, lacking: str, instead: str) -> Chat:
    """The language model that `[model]` names, opened when it is first asked. Raises ModelError when none is named."""
    name = configured(workspace.root)
    if not name:
        hint = f'Name it: [model] endpoint = "http://...", or path = "FILE.gguf"{instead}'
        raise ModelError(lacking, where=str(workspace.root / "intendant.toml"), hint=hint)
    return Lazy(name).chat


def language_reader(workspace: Workspace) -> LanguageReader | None:
    """The reader, or None where none is wanted. Raises ModelError when it is wanted and no model is named."""
    if not workspace.model.reads:
        return None
    chat = chat_of(workspace, "`reads` wants a language model, and none is named", "; or take `reads` out.")
    examples = [Example(p.text, p.plan) for p in bank()]
    return LanguageReader(chat, examples, must=workspace.model.must_answer)
