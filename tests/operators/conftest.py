"""One bench for all tests of a file; each fills it with rows of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from any_rows import Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("lake"))
    yield made
    made.engine.close()
