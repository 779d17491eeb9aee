"""``python -m chaos.peers``: the other frameworks alone, as a table."""

import sys

from rich.table import Table

from chaos.peers import faults
from chaos.report import WORDS, wide_console


def main() -> int:
    """Run and print; 2 when the packages cannot be had."""
    console = wide_console()
    try:
        found = faults.run()
    except faults.NoPeers as why:
        console.print(str(why), style="red")
        return 2
    table = Table("framework", "fault", *WORDS)
    for row in found:
        table.add_row(f"{row['peer']} {row['version']}", row["fault"], *[str(row[word]) for word in WORDS])
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
