"""The intent language: text, typed value and JSON are three renderings of one Plan."""

from intendant.language.grammar import grammar
from intendant.language.plans import from_json, parse, print_plan, print_step, to_json

__all__ = ["from_json", "grammar", "parse", "print_plan", "print_step", "to_json"]
