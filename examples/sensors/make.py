"""Writes drops/: two days of readings of six sensors, every half hour, with the faults that sensors have."""

import csv
import math
import random
from datetime import datetime, timedelta
from pathlib import Path

DROPS = Path(__file__).parent / "drops"
PLACES = ["cold room 1", "cold room 1", "cold room 2", "cold room 2", "dock", "dock"]


def main() -> None:
    chance, start = random.Random(7), datetime(2026, 5, 4)
    with (DROPS / "devices.csv").open("w", newline="") as f:
        write = csv.writer(f, lineterminator="\n")
        write.writerow(["device_id", "place", "lowest", "highest"])
        write.writerows(
            [f"d{n}", place, *((-2, 6) if "cold" in place else (5, 28))] for n, place in enumerate(PLACES, 1)
        )
    rows = []
    for i in range(96):
        at = start + timedelta(minutes=30 * i)
        for n, place in enumerate(PLACES, 1):
            base = 2.0 if "cold" in place else 16 + 5 * math.sin(i / 48 * 2 * math.pi)
            warm = 6.5 if n == 3 and 60 <= i < 66 else 0  # a door was left open
            value: float | str = round(base + warm + chance.uniform(-1, 1), 2)
            if chance.random() < 0.02:
                value = 999.0  # what this sensor says when it is broken
            elif chance.random() < 0.03:
                value = ""
            rows.append([f"d{n}", at.strftime("%Y-%m-%dT%H:%M:%S"), value])
            if chance.random() < 0.03:
                rows.append(rows[-1])  # sent twice
    with (DROPS / "readings.csv").open("w", newline="") as f:
        write = csv.writer(f, lineterminator="\n")
        write.writerow(["device_id", "measured_at", "temperature"])
        write.writerows(rows)


if __name__ == "__main__":
    main()
