"""A second reader of sentences, by frames and slots: rules written by hand, no model, nothing rather than a guess."""

from intendant.planner.frames.reader import Reading, read

__all__ = ["Reading", "read"]
