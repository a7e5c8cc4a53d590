"""Everything that can go wrong, as one tree; an error says what, where and the mend.

IntendantError                 code, message, where, hint; `retry` says whether trying again may help
  UsageError                   the caller's words are off (exit status 2)
    WorkspaceError             intendant.toml or the folder is not as it must be
  LanguageError                a text is not a sentence of the intent language
    UnknownName                a table, column, source ... that isn't there; carries the nearest names
    TypeMismatch               an expression or a rule that the column's type doesn't admit
  SourceError                  a source could not be read
    SourceUnreachable          no connection, time-out, 5xx           (retry)
    SourceOverloaded           429 or 503; `retry_after` in seconds   (retry)
    SourceRefused              401, 403, 404: asking again won't help
    SourceDamaged              what came is not what it claims to be
    SourceLoop                 the same page came again
    SourceTooLarge             a page or a load above its cap
  LakeError                    a table could not be read or written
    Conflict                   another writer was first               (retry)
    Damaged                    a file of the lake or of the state is broken
    DiskFull                   no space left                          (retry, once there is space)
    StorageUnreachable         no answer from the object storage, or only "slow down"   (retry)
    StorageRefused             the object storage says no: bucket, keys, region, clock, or what it can't do
  EngineError                  the engine refused a statement that we built
  GateStop                     the quality gate stopped a publish
  PolicyError                  not allowed here
    SqlRefused                 the statement isn't read-only SQL on catalogued tables
    PathRefused                a path outside the workspace
    VolumeGuard                the load would empty or shrink the table too far
    ApprovalInvalid            the approval is not for this plan, or was used
  ModelError                   the model is missing or does not answer
  Busy                         another process owns the execution     (retry)
  StateError                   the control state's database can't be used as it is
    StateUnreachable           the database does not answer           (retry)
    LeaseLost                  another worker took over what this one was running
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rapidfuzz import fuzz, process

__all__ = [
    "ApprovalInvalid",
    "Busy",
    "Conflict",
    "Damaged",
    "DiskFull",
    "EngineError",
    "GateStop",
    "IntendantError",
    "LakeError",
    "LanguageError",
    "LeaseLost",
    "ModelError",
    "PathRefused",
    "PolicyError",
    "SourceDamaged",
    "SourceError",
    "SourceLoop",
    "SourceOverloaded",
    "SourceRefused",
    "SourceTooLarge",
    "SourceUnreachable",
    "SqlRefused",
    "StorageRefused",
    "StorageUnreachable",
    "StateError",
    "StateUnreachable",
    "TypeMismatch",
    "UnknownName",
    "UsageError",
    "VolumeGuard",
    "WorkspaceError",
    "did_you_mean",
]


class IntendantError(Exception):
    """The root. `message` says what happened, `where` the place, `hint` the mend; `facts` are for programs."""

    code: ClassVar[str] = "error"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, where: str = "", hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message, self.where, self.hint, self.facts = message, where, hint, facts

    def __str__(self) -> str:
        place = f" (at {self.where})" if self.where else ""
        mend = f" {self.hint}" if self.hint else ""
        return f"{self.message}{place}.{mend}" if not self.message.endswith(".") else f"{self.message}{place}{mend}"

    def as_dict(self) -> dict[str, str]:
        """The four fields of the contract: code, message, where, hint."""
        return {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}


class UsageError(IntendantError):
    code = "usage"


class WorkspaceError(UsageError):
    code = "workspace"


class LanguageError(IntendantError):
    """`facts` has `line` and `column` (from 1) and `expected` (tuple of words) where they are known."""

    code = "language"


class UnknownName(LanguageError):
    code = "unknown_name"


class TypeMismatch(LanguageError):
    code = "type_mismatch"


class SourceError(IntendantError):
    code = "source"


class SourceUnreachable(SourceError):
    code = "source_unreachable"
    retry = True


class SourceOverloaded(SourceError):
    code = "source_overloaded"
    retry = True

    def __init__(self, message: str, *, retry_after: float | None = None, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint, retry_after=retry_after)
        self.retry_after = retry_after


class SourceRefused(SourceError):
    code = "source_refused"


class SourceDamaged(SourceError):
    code = "source_damaged"


class SourceLoop(SourceError):
    code = "source_loop"


class SourceTooLarge(SourceError):
    code = "source_too_large"


class LakeError(IntendantError):
    code = "lake"


class Conflict(LakeError):
    code = "conflict"
    retry = True


class Damaged(LakeError):
    code = "damaged"


class DiskFull(LakeError):
    code = "disk_full"
    retry = True


class StorageUnreachable(LakeError):
    code = "storage_unreachable"
    retry = True


class StorageRefused(LakeError):
    code = "storage_refused"


class EngineError(IntendantError):
    code = "engine"


class GateStop(IntendantError):
    code = "quality_failed"


class PolicyError(IntendantError):
    code = "policy"


class SqlRefused(PolicyError):
    code = "sql_refused"


class PathRefused(PolicyError):
    code = "path_refused"


class VolumeGuard(PolicyError):
    code = "volume_guard"


class ApprovalInvalid(PolicyError):
    code = "approval_invalid"


class ModelError(IntendantError):
    code = "model"


class Busy(IntendantError):
    code = "busy"
    retry = True


class StateError(IntendantError):
    code = "state"


class StateUnreachable(StateError):
    code = "state_unreachable"
    retry = True


class LeaseLost(StateError):
    code = "lease_lost"


def did_you_mean(name: str, known: Iterable[str], what: str = "name") -> str:
    """The mend for an unknown name: the nearest of `known` by edit distance, or the list of what there is."""
    names = sorted(set(known))
    if not names:
        return f"There is no {what} yet."
    lower = {n: n.lower() for n in names}
    near = process.extractOne(name.lower(), lower, scorer=fuzz.ratio, score_cutoff=65)
    near = near or process.extractOne(name.lower(), lower, score_cutoff=70)
    if near:
        return f"Did you mean {near[2]!r}?"
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"There is: {shown}."
