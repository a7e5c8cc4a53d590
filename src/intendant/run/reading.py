"""The workspace's language model as a reader of sentences, where `[model] reads` asks for it."""

from __future__ import annotations

from intendant.errors import ModelError
from intendant.model.backends import Backend, Message, open_backend
from intendant.model.choice import configured
from intendant.model.training.generate import bank
from intendant.planner.language_reader import Example, LanguageReader
from intendant.workspace import Workspace

__all__ = ["language_reader"]


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


def language_reader(workspace: Workspace) -> LanguageReader | None:
    """The reader, or None where none is wanted. Raises ModelError when it is wanted and no model is named."""
    if not workspace.model.reads:
        return None
    name = configured(workspace.root)
    if not name:
        raise ModelError(
            "`reads` wants a language model, and none is named",
            where=str(workspace.root / "intendant.toml"),
            hint='Name it: [model] endpoint = "http://...", or path = "FILE.gguf"; or take `reads` out.',
        )
    examples = [Example(p.text, p.plan) for p in bank()]
    return LanguageReader(Lazy(name).chat, examples, must=workspace.model.must_answer)
