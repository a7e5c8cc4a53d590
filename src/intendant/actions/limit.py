"""Hold back how fast a source is read."""

from __future__ import annotations

from intendant.actions.base import Context, Effect, Footprint, place
from intendant.catalog import Catalog
from intendant.errors import LanguageError, UnknownName, did_you_mean
from intendant.operators._compile import Typing
from intendant.types import Json, Step

__all__ = ["Limit", "parsed_rate"]

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class Limit(Effect):
    verb = "limit"
    form = "limit <resource:resource> to <rate:rate>"
    agent = "ingestion"
    summary = "Read a source or a resource no faster than this."
    example = "limit sales_api to 50 requests per second"

    def resolve(self, step: Step, catalog: Catalog, typing: Typing) -> Step:
        name = str(step.args["resource"])
        if parsed_rate(step.args["rate"])[1] == 0:
            raise LanguageError("a rate of 0 would stop the source", where=place(step), hint="Use 1 or more.")
        if "." in name:
            name = catalog.resource(name, place(step)).full
        elif name not in catalog.sources:
            raise UnknownName(
                f"there is no source {name!r}", where=place(step), hint=did_you_mean(name, catalog.sources, "source")
            )
        return Step(self.verb, dict(step.args, resource=name))

    def footprint(self, step: Step, catalog: Catalog) -> Footprint:
        return Footprint()

    def act(self, step: Step, context: Context) -> dict[str, Json]:
        what, n, seconds = parsed_rate(step.args["rate"])
        fact = {"source": step.args["resource"], "what": what, "count": n, "per_seconds": seconds}
        return {"events": [["limit.set", fact]]}


def parsed_rate(rate: str) -> tuple[str, int, int]:
    """ "1000 rows per 5 minutes" to ("rows", 1000, 300)."""
    n, what, _, *rest = rate.split()
    times, unit = (int(rest[0]), rest[1]) if len(rest) == 2 else (1, rest[0])
    return what, int(n), times * SECONDS[unit.rstrip("s")]
