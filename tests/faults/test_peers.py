"""Which kinds of fault the other frameworks are put through as well, and why not through the rest."""

from chaos.faults import KINDS
from chaos.peers import faults as peers
from chaos.report import DOCUMENT

#: What is the same in kind, and called by its own number.
_THE_SAME = {"a backlog of 10,000 events": "a backlog of 2,000 events"}


def test_the_page_says_why_not_through_each_that_is_left_out() -> None:
    left_out = {name for name in KINDS if _THE_SAME.get(name, name) not in peers.FAULTS}

    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(
        "| Not put through | Because |\n  |---|---|\n"
    )
    rows = [line.strip(" |").split(" | ") for line in rest.partition("\n\n")[0].splitlines()]

    assert {name for kinds, _ in rows for name in kinds.split("; ")} == left_out
