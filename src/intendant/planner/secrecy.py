"""What must not be kept: texts that hold a secret, or look as if they did."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from intendant.workspace import Workspace

__all__ = ["holds_secret", "secrets_of"]

LIKE_A_SECRET = re.compile(
    r"(?i:\b(?:password|passwd|pwd|secret|token|api[-_ ]?key|bearer)\b\s*(?:[:=]|is)\s*\S)"
    r"|\bBearer\s+[\w.~+/-]{8,}|://[^/\s:@]+:[^/\s@]+@|-----BEGIN|\b(?:sk|pk|ghp|gho|xox[abp])[-_]\w{10,}|\bAKIA[0-9A-Z]{12,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}|(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])[A-Za-z0-9+/-]{32,}"
)
LEAST = 6
"""Shorter texts than this are too common to be told from words."""


def holds_secret(text: str, secrets: Iterable[str]) -> bool:
    """Whether a text holds one of these secrets, or something of the shape of a key, a token or a password."""
    return any(len(s) >= LEAST and s in text for s in secrets) or LIKE_A_SECRET.search(text) is not None


def secrets_of(workspace: Workspace) -> list[str]:
    """The values of the environment variables that the workspace's sources take their secrets from."""
    said = json.dumps(dict(workspace.sources), default=str)
    return [os.environ[name] for name in re.findall(r"\$\{(\w+)\}", said) if os.environ.get(name)]
