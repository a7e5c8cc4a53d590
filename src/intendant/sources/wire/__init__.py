"""What sources that speak a protocol share: requests that retry, pages, envelopes, rows from JSON, pacing."""
