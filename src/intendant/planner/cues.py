"""Cues: words of a sentence that a plan must answer to, whatever model wrote it. An unanswered cue lowers the confidence."""

from __future__ import annotations

import re

__all__ = ["unanswered"]

CUES: tuple[tuple[str, str], ...] = (
    (
        r"only (?:the )?new|unseen|not (?:got|have|loaded|seen) yet|(?:we|you) (?:already|alredy) (?:have|hold|hav|got)"
        r"|since (?:the |our |my )?last (?:load|time|run|pull|sync)|nothing twice|incremental(?:ly)?|new ones? (?:are )?added",
        r"new rows|upsert",
    ),
    (
        r"\b(?:wipe|delete|erase|purge|get rid of|throw (?:out|away)|kick out)\b",
        r"\b(?:drop|filter|archive|distinct)\b",
    ),
    (
        r"\b(?:highest|lowest|most \w+|least \w+|largest|biggest|smallest|newest|oldest|latest|worst|best)(?: \w+){0,2} first\b",
        r"sort by|latest|oldest|rank|row number|top|bottom|running|previous|next",
    ),
    (r"\bmov(?:e|ed|es|ing)\b.{0,90}\b(?:in)?to\b", r"archive|\n\S|sort|select|clip"),
    (r"\bsnaps\w+\b", r"retain|restore|drop"),
    (r"\bin (?:minut|hour)\w*\b", r"60|minute|hour"),
    (r"\bquarantined?\b|set (?:them|those|it|these) aside|put aside", r"quarantine"),
    (r"\broll(?:s|ed)? ?(?:it |that |everything )?back\b", r"rollback|restore"),
    (r"\bjust warn|\bonly warn|\bwarn (?:me|us)\b", r"warn"),
    (r"\bfor review\b|\b(?:person|human|somebody|someone) (?:must|should|has to|needs to)\b", r"review"),
    (r"\brenam(?:e|ed|ing)\b", r"rename"),
    (r"\bduplicates?\b|\bdedup\w*\b|\bdoubles\b", r"duplicates|unique|distinct|check \S+$|group by"),
    (
        r"\b(?:occurs?|appears?|comes?|exists?|listed|there|in it) (?:twice|more than once|only once|just once)\b|\bno doubles\b",
        r"duplicates|unique|distinct|count|check \S+$",
    ),
    (
        r"\b(?:is|are|was|were|if|when|where|no|not|with|has|have) (?:missing|null|blank|empty)\b",
        r"null|missing|fill|coalesce|empty",
    ),
    (
        r"\b(?:sorted|ordered) by\b|\bsort (?:them|it|the|by)\b",
        r"sort|rank|top|bottom|order|latest|oldest|row number| by ",
    ),
    (r"\brank(?:ed|ing)?\b", r"rank|row number|sort|top"),
    (r"\bpivot\b", r"pivot"),
    (r"\b(?:unpivot|melt)\b", r"unpivot"),
    (r"\b(?:running|cumulative) (?:total|sum|count)\b", r"running"),
    (r"\bmoving average\b|\brolling (?:average|mean|sum|total)\b", r"moving"),
    (r"\bmedian\b", r"median"),
    (r"\b(?:average|(?<!I )mean|avg)\b(?! that)", r"\bavg\b|\bmean\b|\bsum\b"),
    (r"\bpartition(?:ed)?\b", r"partition|optimize"),
    (r"\bupper[- ]?case\b|\bin capitals\b|\ball caps\b", r"upper|title"),
    (r"\b(?:lower[- ]?case|small letters)\b", r"lower|title"),
    (r"\bexport(?:ed)?\b|\bas (?:a )?(?:csv|json|parquet)\b", r"export|optimize|retain|restore|deliver"),
    (r"\bcount\b|\bhow many\b", r"\bcount\b|first|check|row_count|sum"),
    (r"\bleft join\b", r"left join"),
)
COMPILED = tuple((re.compile(cue, re.I), re.compile(answer, re.M)) for cue, answer in CUES)


def unanswered(sentence: str, plan: str) -> tuple[str, ...]:
    """The cues of the sentence, by their words, to which the plan has no answer."""
    found = ((cue.search(sentence), answer) for cue, answer in COMPILED)
    return tuple(m[0] for m, answer in found if m and not answer.search(plan))
