"""`python -m intendant.model.training`: data, training, export; writes the shipped model with its card."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from intendant.model.training.train import Settings, train

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m intendant.model.training", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent, help="where the model goes")
    for f in fields(Settings):
        parser.add_argument(f"--{f.name}", type=type(f.default), default=f.default)
    given = vars(parser.parse_args())
    out = given.pop("out")
    out.mkdir(parents=True, exist_ok=True)
    print(train(Settings(**given), out))
