"""What many tests need: a workspace in a fresh folder, an app on it that closes itself, and a small table of orders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant.app import Intendant

ORDERS = """order_id,region,status,amount,quantity,customer_id,created_at
1,north,paid,10.5,2,7,2025-01-01 10:00:00
2,south,open,20.0,1,8,2025-01-02 10:00:00
3,north,paid,,3,7,2025-01-03 10:00:00
4,east,paid,40.25,4,,2025-01-04 10:00:00
5,south,cancelled,5.0,1,9,2025-01-05 10:00:00
6,,paid,60.0,2,8,2025-01-06 10:00:00
"""
CUSTOMERS = """customer_id,name,email
7,Ada,ada@x.org
8,Ben,ben@x.org
9,"O'Hara ""the"" 🙂",o@x.org
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with orders.csv and customers.csv beside an empty workspace's files."""
    Intendant.init(tmp_path).close()
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    return tmp_path


@pytest.fixture
def app(workspace: Path) -> Iterator[Intendant]:
    """The workspace opened; it has no table yet."""
    with Intendant(workspace) as opened:
        yield opened


@pytest.fixture
def shop(app: Intendant, workspace: Path) -> Intendant:
    """The workspace with the tables `orders` (6 rows) and `customers` (3 rows)."""
    app.load(workspace / "orders.csv", "orders")
    app.load(workspace / "customers.csv", "customers")
    return app
