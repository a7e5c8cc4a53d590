"""What goes wrong in a dlt source, as an error of our tree; no argument that may be a secret is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from intendant.errors import (
    IntendantError,
    SourceDamaged,
    SourceOverloaded,
    SourceRefused,
    SourceUnreachable,
    WorkspaceError,
)
from intendant.types import Json

__all__ = ["error_of", "secrets_in"]

SECRET = re.compile(r"pass|token|secret|key|auth|credential", re.IGNORECASE)
SHORTEST = 4
QUERY = re.compile(r"(\w+://[^\s?'\"]+)\?[^\s'\")]*")
USER = re.compile(r"(\w+://)[^\s/@'\"]+@")
UNREACHABLE = {"ConnectionError", "ConnectTimeout", "ReadTimeout", "Timeout", "ChunkedEncodingError", "OperationalError",
               "ConnectionRefusedError", "TimeoutError", "ConnectionResetError", "InterfaceError", "gaierror", "SSLError"}
CONFIG = {"ConfigFieldMissingException", "ConfigFileNotFoundException", "ConfigValueCannotBeCoercedException", "LookupTrace",
          "InvalidNativeValue", "DictValidationException"}
WRAPPERS = {"ResourceExtractionError", "ExtractorException", "PipeException", "PipelineStepFailed"}
LONGEST = 400
REFUSED = range(400, 429)


def error_of(error: BaseException, where: str, secrets: set[str]) -> IntendantError:
    """The error that stands for one raised by dlt, by the source's function or by what they use."""
    cause = _innermost(error)
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    text = f"{type(cause).__name__}: {_shown(cause, secrets)}"
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status == 429 or status == 503:
        return SourceOverloaded(f"The source is overloaded: {text}", where=where, hint="Try again later, or set limits.")
    if status is not None and status in REFUSED:
        return SourceRefused(f"The source refused: {text}", where=where, hint="Check args: address, credentials and names.")
    if status is not None or kinds & UNREACHABLE:
        return SourceUnreachable(f"The source is not reachable: {text}", where=where, hint="Check its address, and that it runs.")
    if kinds & CONFIG or (isinstance(cause, TypeError) and "argument" in text):
        return WorkspaceError(f"The dlt source can't be made from its args: {text}", where=where,
                              hint="Give what is missing in args, secrets as ${NAME}.")
    return SourceDamaged(f"The dlt source failed: {text}", where=where, hint="Look at the source's function and its args.")


def secrets_in(args: Json, named: bool = False) -> set[str]:
    """The texts below keys that sound like secrets."""
    return set(_secrets(args, named))


def _secrets(value: Json, named: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(inner, named or bool(SECRET.search(str(key))))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secrets(inner, named)
    elif named and isinstance(value, str) and len(value) >= SHORTEST:
        yield value


def _innermost(error: BaseException) -> BaseException:
    while type(error).__name__ in WRAPPERS and error.__cause__ is not None:
        error = error.__cause__
    return error


def _shown(error: BaseException, secrets: set[str]) -> str:
    text = " ".join(str(error).split())
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return USER.sub(r"\1***@", QUERY.sub(r"\1?***", text))[:LONGEST]
