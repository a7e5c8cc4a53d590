"""What a detector is: it looks at a subject's distinct values and says what seems wrong, with a predicate for the rows.

To add one, write one file in this folder with one class and name it in `checks/battery.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from intendant.checks.subject import Subject
from intendant.types import Finding

__all__ = ["Detector"]


class Detector(ABC):
    """One kind of fault that is found without being told of it."""

    name: ClassVar[str]
    summary: ClassVar[str]
    example: ClassVar[str]
    """What a person would read, and the sentence that mends it."""

    @abstractmethod
    def find(self, subject: Subject) -> Iterator[Finding]:
        """The findings, none on a table too small or too odd to tell. Raises EngineError."""
