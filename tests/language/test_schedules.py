"""Schedules as people say them and the cron line each stands for, judged by when it fires."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from croniter import croniter
from hypothesis import given
from plan_shapes import schedules

from intendant.language import parse
from intendant.language.schedule import cron_of

TABLE = {
    "daily at 00:00": "0 0 * * *",
    "weekdays at 06:05": "5 6 * * 1-5",
    "weekends at 23:59": "59 23 * * 0,6",
    "weekly on monday at 07:30": "30 7 * * 1",
    "weekly on sunday, saturday at 07:30": "30 7 * * 0,6",
    "monthly on day 31 at 05:00": "0 5 31 * *",
    "hourly": "0 * * * *",
    "every 1 minute": "* * * * *",
    "every 15 minutes": "*/15 * * * *",
    "every 1 hour": "0 * * * *",
    "every 6 hours": "0 */6 * * *",
    "cron '5 4 * * mon'": "5 4 * * mon",
}
MONDAY = datetime(2025, 1, 6)


@pytest.mark.parametrize("said", TABLE)
def test_a_schedule_has_its_cron_line(said: str) -> None:
    step = parse(f"schedule refresh of mart {said}").steps[0]
    assert cron_of(step.args["when"]) == TABLE[said]


@given(schedules)
def test_every_schedule_has_a_cron_line_that_fires(said: str) -> None:
    step = parse(f"schedule refresh of mart {said}").steps[0]
    line = cron_of(step.args["when"])
    assert croniter.is_valid(line) and len(line.split()) == 5
    assert croniter(line, MONDAY).get_next(datetime) > MONDAY


@pytest.mark.parametrize(("said", "hours"), [("every 1 minute", 1 / 60), ("every 15 minutes", 0.25), ("every 6 hours", 6), ("hourly", 1)])
def test_an_interval_that_divides_its_hour_or_day_is_even(said: str, hours: float) -> None:
    times = croniter(cron_of(said), MONDAY)
    fires = [times.get_next(datetime) for _ in range(30)]
    assert {b - a for a, b in pairwise(fires)} == {timedelta(hours=hours)}


def test_weekdays_and_weekends_share_the_week() -> None:
    fires = {s: croniter(cron_of(f"{s} at 06:00"), MONDAY) for s in ("weekdays", "weekends")}
    days = {s: {t.get_next(datetime).isoweekday() for _ in range(10)} for s, t in fires.items()}
    assert days == {"weekdays": {1, 2, 3, 4, 5}, "weekends": {6, 7}}
