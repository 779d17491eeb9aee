"""Writes docs/placement.md from the rules and the vectors that are tested; a test checks it is current."""

from pathlib import Path

from services.intake.domain import placement, placement4
from tests.intake.placement_vectors import VECTORS, VECTORS_4

PLACE = Path(__file__).parent / "placement.md"

_HEAD = """\
# Placement

Which level of care a profile asks for, written by `make docs` from the rules and from the vectors that
the tests check. The rules recommend; a licensed clinician decides, with a reason where it is another
level. Nobody is denied by software: every recommendation names the dimensions that decided, the version
of the rules, and at least one alternative. A worse rating in any dimension never lowers the level; the
tests hold that over all 15,625 profiles of the 3rd edition, and over codes drawn at random of the 4th.

The rules are packs of data. A pack takes effect for a tenant once its medical director has signed it:
`homeward rules list`, `homeward rules diff`, `homeward rules sign`, or `POST /v1/rule-signatures`.
"""


def render() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_third_edition(), *_fourth_edition()]) + "\n"


def _third_edition() -> list[str]:
    pack = placement.newest()
    lines = [
        f"## {pack.rule_version}: severity of six dimensions, 3rd edition",
        "",
        "Read from the top; the first rule that hits decides.",
        "",
        "| Rule | Level | Services besides | When |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {rule.code} | {rule.level} | {', '.join(rule.services) or '–'} | {rule.text} |"
        for rule in pack.rules
    ]
    lines += ["", "| D1 | D2 | D3 | D4 | D5 | D6 | Home unsafe | Gate | Level | Decided by | Or instead |"]
    lines += ["|---|---|---|---|---|---|---|---|---|---|---|"]
    for ratings, unsafe, gate, level, deciding in VECTORS:
        others = ", ".join(f"{one.level} ({one.code})" for one in pack.alternatives[level])
        cells = [*map(str, ratings), "yes" if unsafe else "", gate or "", level]
        cells += [", ".join(f"D{dimension}" for dimension in deciding), others]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _fourth_edition() -> list[str]:
    pack = placement4.newest()
    lines = [
        f"## {pack.rule_version}: codes of sub-dimensions, 4th edition, adults",
        "",
        f"{pack.licence} {pack.source}",
        "",
        "A sub-dimension that is not named asks for nothing, but for 4A, whose mildest code is A.",
        "",
        "| Codes | Level | Besides |",
        "|---|---|---|",
    ]
    for codes, level, services in VECTORS_4:
        told = ", ".join(f"{name}: {code}" for name, code in codes.items()) or "4A: A"
        lines.append(f"| {told} | {level} | {', '.join(services) or '–'} |")
    return lines


def main() -> None:
    """Write the page."""
    PLACE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
