"""Rules in the formats of others: written for other tools, and read from files that are not trusted.

A format is one file here. What can't be carried over is named in the answer, never left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intendant.checks.contracts.base import Exported, Format, Imported, LeftOut
from intendant.checks.contracts.dbt import Dbt
from intendant.checks.contracts.document import read_document
from intendant.checks.contracts.great_expectations import GreatExpectations
from intendant.checks.contracts.odcs import Odcs
from intendant.errors import UnknownName, UsageError, did_you_mean
from intendant.types import Column, Rule

__all__ = ["FORMATS", "Exported", "Format", "Imported", "LeftOut", "read_contract", "write_contract"]

FORMATS: tuple[Format, ...] = (Odcs(), GreatExpectations(), Dbt())
"""In the order in which a file is asked whether it is one of them."""


def write_contract(name: str, table: str, columns: Sequence[Column], rules: Sequence[Rule]) -> Exported:
    """The rules of a table as a file of the format. Raises UnknownName for a format that isn't there."""
    for f in FORMATS:
        if f.name == name:
            return f.write(table, columns, rules)
    raise UnknownName(f"there is no format {name!r}", hint=did_you_mean(name, [f.name for f in FORMATS], "format"))


def read_contract(text: str, where: str, table: str) -> tuple[str, Imported]:
    """(the format's name, the rules of `table`); the format is found by what stands in the file.

    Raises UsageError (with the line where there is one) for a file that is none of them or not safe to read,
    UnknownName for one about other tables only.
    """
    document = read_document(text, where)
    if isinstance(document, Mapping):
        for f in FORMATS:
            if f.recognises(document):
                return f.name, f.read(document, table)
    raise UsageError(
        "this is no file of rules that is known",
        where=where,
        hint="It has `models` or `sources` (dbt), `expectations` (Great Expectations) or `schema` (a data contract).",
    )
