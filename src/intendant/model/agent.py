"""An agent that can speak: one language model, loaded once per process and shared by all agents."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from intendant.errors import UsageError
from intendant.model.backends import Backend, Message, open_backend
from intendant.model.choice import configured

__all__ = ["LightweightLLMAgent"]

DEFAULT_MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
MOST_TURNS = 20


class LightweightLLMAgent:
    """A role with a small model behind it and a conversation.

        LightweightLLMAgent("data engineer").generate_response("Why partition by month?", max_tokens=120)

    `model_name` is a hub name or a local folder (transformers, extra `train`; on the GPU when there is one), a local
    `.gguf` file (in process, or by the server of this machine that has it loaded), or the address of an OpenAI-compatible
    server ("http://..."). Where none is named, `[model]` of the workspace around the current folder says which. Nothing
    is loaded until the first response; what was loaded is shared by every agent of the same model.
    """

    _backends: ClassVar[dict[str, Backend]] = {}

    def __init__(self, role: str, model_name: str = DEFAULT_MODEL) -> None:
        self.role_description, self.model_name = role, model_name
        self.conversation_history: list[Message] = []

    def generate_response(self, prompt: str, max_tokens: int = 256) -> str:
        """The model's answer to the prompt, after the conversation so far, which it becomes part of.

        Raises ModelError saying what is missing (weights, packages, server) and the mend; UsageError for max_tokens < 1.
        """
        if max_tokens < 1:
            raise UsageError(f"max_tokens is {max_tokens}", hint="Use 1 or more.")
        question: Message = {"role": "user", "content": prompt}
        system: Message = {"role": "system", "content": f"You are {self.role_description}. Answer briefly."}
        answer = self._backend().chat([system, *self.conversation_history[-2 * MOST_TURNS :], question], max_tokens)
        self.conversation_history += [question, {"role": "assistant", "content": answer}]
        return answer

    def clear_history(self) -> None:
        """Forgets the conversation."""
        self.conversation_history.clear()

    def _backend(self) -> Backend:
        name = self.model_name
        if name == DEFAULT_MODEL:
            name = configured(Path.cwd()) or name
        if name not in self._backends:
            self._backends[name] = open_backend(name)
        return self._backends[name]
