"""Writes drops/: accounts, the bookings of a quarter in three currencies, and each working day's rates."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

DROPS = Path(__file__).parent / "drops"
ACCOUNTS = [("A1", "Cash", "EUR"), ("A2", "Sales", "USD"), ("A3", "Wages", "EUR"), ("A4", "Rent", "CHF")]


def write(name: str, head: list[str], rows: list[list[object]]) -> None:
    with (DROPS / f"{name}.csv").open("w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(head)
        out.writerows(rows)


def main() -> None:
    chance, start = random.Random(11), date(2026, 1, 1)
    days = [start + timedelta(days=i) for i in range(90)]
    rates: list[list[object]] = []
    for day in days:
        if day.weekday() < 5:  # no rate on Saturdays and Sundays: the last one holds
            rates.append(["USD", day, round(0.92 + chance.uniform(-0.02, 0.02), 4)])
            rates.append(["CHF", day, round(1.05 + chance.uniform(-0.02, 0.02), 4)])
    rates = [["EUR", start, 1.0], *rates]
    rows: list[list[object]] = []
    for n in range(1, 241):
        account, _, currency = chance.choice(ACCOUNTS)
        day = chance.choice(days)
        amount = round(
            chance.uniform(10, 900) * (1 if account == "A2" else -1 if account != "A1" else chance.choice((1, -1))), 2
        )
        rows.append([f"T{n:04}", day, account if n % 80 else "A9", currency, amount, "" if n % 60 == 7 else f"ref {n}"])
    rows += [rows[20], rows[100]]  # booked twice
    rows.sort(key=lambda r: (r[1], r[0]))
    write("accounts", ["account", "name", "currency"], [list(a) for a in ACCOUNTS])
    write("rates", ["currency", "day", "rate"], rates)
    write("bookings", ["booking", "booked_on", "account", "currency", "amount", "reference"], rows)


if __name__ == "__main__":
    main()
