"""Models: the planner's runtime and training, and the small language model that agents may speak with."""

from intendant.model.card import info

__all__ = ["info"]
