"""Guard: sentences that are refused before any model reads them, each with its reason."""

from __future__ import annotations

import re

__all__ = ["reason_to_refuse"]

INJECTION = "It gives instructions about me instead of data work; such text is not followed."
SECRETS = "Secrets are never shown, moved or asked for."
SYSTEM = "Only tables, sources and files of this workspace are worked on, nothing else on the machine."
HARM = "Taking everything away at once is not done from one sentence; name the table."
CODE = "It is no sentence but code; `intendant sql` runs read-only SQL."
REASONS: tuple[tuple[str, str], ...] = (
    (
        r"\b(?:ignore|disregard|forget|override)\b.{0,30}\b(?:instructions?|rules?|prompts?|polic(?:y|ies)|checks?|approvals?|safety)\b",
        INJECTION,
    ),
    (r"\b(?:system prompt|jailbreak|developer mode|pretend (?:to be|you are)|you are now|act as)\b", INJECTION),
    (
        r"\b(?:bypass|skip|disable|turn off|without)\b.{0,25}\b(?:approvals?|polic(?:y|ies)|safety|guards?|permissions?)\b",
        INJECTION,
    ),
    (
        r"\b(?:passwords?|api[- ]?keys?|secrets?|tokens?|credentials?|private keys?)\b"
        r".{0,40}\b(?:show|print|send|mail|leak|reveal|export|dump)\b",
        SECRETS,
    ),
    (
        r"\b(?:show|print|send|e-?mail|leak|reveal|tell|give|dump|what is|what's)\b.{0,40}"
        r"\b(?:passwords?|api[- ]?keys?|secrets?|credentials?|private keys?)\b",
        SECRETS,
    ),
    (
        r"(?:^|\s)(?:/etc/|/root\b|/home/|/var/|/usr/|/opt/|/proc/|/sys/"
        r"|~/|c:\\|\.\./)|\brm -rf\b|\bsudo\b|\b(?:os\.system|subprocess|eval\()",
        SYSTEM,
    ),
    (
        r"\b(?:format|shut ?down|reboot|hack|ddos|attack)\b.{0,30}\b(?:disk|drive|server|computer|machine|system|network|site)\b",
        SYSTEM,
    ),
    (
        r"\b(?:drop|delete|erase|wipe|destroy|remove|truncate|purge|nuke)\b (?:\w+ ){0,2}"
        r"(?:everything(?! (?:\w+ed|older|newer|younger|before|after|except|but|that|which|where|with|without|from|of|not|below|above"
        r"|under|over|outside|beyond|prior|since|until|else|having|whose|for|up|earlier|later|on|dated|is|was)\b"
        r"| in (?!(?:the|this|my|our) (?:lake|database|warehouse|workspace|system)\b))"
        r"|all (?:the )?(?:tables|data|databases|backups)"
        r"|every table|whole (?:lake|database|warehouse|workspace)|entire (?:lake|database|warehouse|workspace))\b",
        HARM,
    ),
    (
        r";\s*(?:drop (?:table|database|schema|view|index|user)|delete from|truncate (?:table )?\w+ ?(?:;|--|$)|update \w+ set"
        r"|insert into|alter table)\b|\bunion select\b|--\s*$|\b(?:or|where) 1 ?= ?1\b",
        CODE,
    ),
    (
        r"^\s*(?:select\b[^a-z]*[*(,].*\bfrom\b|select [\w.]+ ?,.+\bfrom\b"
        r"|insert into \w+ ?(?:\(|values|select)|create (?:or replace )?table \w+ ?(?:\(|as select)"
        r"|alter table \w+ (?:add|drop|modify|alter) column|drop table if)",
        CODE,
    ),
)
COMPILED = tuple((re.compile(p, re.I | re.S), why) for p, why in REASONS)


def reason_to_refuse(text: str) -> str | None:
    """Why a sentence is not even read, or None."""
    return next((why for pattern, why in COMPILED if pattern.search(text)), None)
