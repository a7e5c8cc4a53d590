"""The letter around a request: greeting, thanks and signature, which ask for nothing."""

from __future__ import annotations

import re

__all__ = ["undressed"]

GREETING = re.compile(
    r"(?i)^(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hallo|greetings)\b[^,.!?:;]{0,40}[,.!:;]\s*(?=\S)"
)
CLOSING = re.compile(
    r"(?i)[,.!?]?\s*(?:\b(?:many |kind |best |warm |with kind |with best )?(?:thanks|thank you|thx|regards|cheers|wishes)\b"
    r"(?: (?:in advance|a lot|so much|again|very much))?|(?-i:Best|Yours))(?:[,.! -]+[\w .,&]{0,45})?$"
)


def undressed(text: str) -> str:
    """The sentence without the letter around it: greeting, thanks and signature."""
    out = CLOSING.sub("", GREETING.sub("", text))
    return out if len(out.split()) > 1 else text
