"""The orchestrator: plans become runs, events become reactions, and the journal remembers."""
