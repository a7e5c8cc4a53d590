"""How often the frame reader is right, wrong and silent on the hand-written pairs, by group of catalogs and by steps.

    python bench/frames.py [--groups a_ b_] [--show wrong|silent|right] [--loose]

`--show` prints the sentences of a group; never use it on the groups that are kept for blind testing.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter

from intendant.errors import IntendantError
from intendant.language.plans import parse, print_plan
from intendant.model.training.catalogs import World, load_worlds
from intendant.model.training.generate import Pair, answer, bank
from intendant.planner.frames import read
from intendant.planner.frames.trees import opposite, show, tree

BLIND = re.compile(r"[^a]_")


def canonical(text: str) -> str:
    """The plan with terms of a condition in order, and rows removed by a condition as rows kept by its opposite."""
    out = []
    for line in re.sub(r"\n\s+", " ", print_plan(parse(text))).splitlines():
        line = re.sub(rf"drop rows where (.+?)(?= (?:{OPERATORS})\b|$)", lambda m: f"filter {flipped(m[1])}", line)
        line = re.sub(rf"filter (.+?)(?= (?:{OPERATORS})\b|$)", lambda m: f"filter {sorted_terms(m[1])}", line)
        line = re.sub(
            r"where (.+?)(?= (?:into|to|columns|append|replace|upsert)\b|$)",
            lambda m: f"where {sorted_terms(m[1])}",
            line,
        )
        line = re.sub(
            r"check (\S+) for (.+?)(?= on failure|$)",
            lambda m: f"check {m[1]} for {', '.join(sorted(m[2].split(', ')))}",
            line,
        )
        out.append(line)
    return "\n".join(out)


OPERATORS = (
    "into|derive|group by|aggregate|sort by|select|top|bottom|first|drop|fill|rename|cast|join|left join|distinct|trim|upper|lower"
    "|filter|clip|union|title"
)


def flipped(text: str) -> str:
    try:
        return show(opposite(tree(text)))
    except IntendantError:
        return text


def sorted_terms(text: str) -> str:
    return text if " or " in text or " between " in text else " and ".join(sorted(text.split(" and ")))


def judge(pair: Pair, world: World, loose: bool) -> tuple[str, str, tuple[str, ...], float]:
    found = read(pair.text, world.index)
    found = [r for r in found if loose or not r.unexplained]
    if not found:
        every = read(pair.text, world.index)
        return "silent", print_plan(every[0].plan) if every else "", every[0].unexplained if every else (), 0
    text = print_plan(found[0].plan)
    if answer(pair.plan):
        return "wrong", text, found[0].unexplained, found[0].certainty
    try:
        same = canonical(text) == canonical(pair.plan)
    except IntendantError:
        same = text == pair.plan
    return ("right" if same else "wrong"), text, found[0].unexplained, found[0].certainty


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--groups", nargs="*", default=["a_"])
    ask.add_argument("--show", choices=("wrong", "silent", "right", "all"))
    ask.add_argument("--match", default="")
    ask.add_argument("--loose", action="store_true")
    ask.add_argument("--every", type=int, default=1, help="only every Nth pair")
    args = ask.parse_args()
    worlds = load_worlds()
    table: dict[str, Counter[str]] = {}
    spent: list[float] = []
    for i, pair in enumerate(bank()):
        group = pair.catalog[:2]
        if group not in args.groups or pair.catalog not in worlds or i % args.every:
            continue
        began = time.process_time()
        verdict, got, left, certainty = judge(pair, worlds[pair.catalog], args.loose)
        spent.append(time.process_time() - began)
        kind = "no plan" if answer(pair.plan) else f"{len([x for x in pair.plan.splitlines() if x[:1].strip()])} step"
        for row in (
            f"{group} {kind}",
            f"{group} {pair.plan.split()[0]} ...",
            f"{group} plans" if kind != "no plan" else f"{group} ask or refuse",
        ):
            table.setdefault(row, Counter())[verdict] += 1
        if args.show in (verdict, "all") and not BLIND.match(group) and re.search(args.match, pair.plan):
            print(f"- {pair.text!r}\n    want {pair.plan!r}\n    got  {got!r} left {left} {certainty}")
    print(f"{'':24}{'pairs':>7}{'right':>8}{'wrong':>8}{'silent':>8}")
    for row, c in sorted(table.items()):
        n = c.total()
        print(f"{row:24}{n:>7}{c['right'] / n:>8.1%}{c['wrong'] / n:>8.1%}{c['silent'] / n:>8.1%}")
    spent.sort()
    if spent:
        print(
            f"a sentence: median {spent[len(spent) // 2] * 1000:.1f} ms, 95 % {spent[len(spent) * 95 // 100] * 1000:.1f} ms"
        )


if __name__ == "__main__":
    main()
