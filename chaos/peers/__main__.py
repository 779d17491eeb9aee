"""``python -m chaos.peers``: the other frameworks alone, as a table."""

import argparse
import sys
import time

from rich.table import Table

from chaos.peers import faults
from chaos.report import WORDS, wide_console


def main() -> int:
    """Run and print; 2 when the packages cannot be had."""
    options = argparse.ArgumentParser(prog="python -m chaos.peers", description=__doc__)
    options.add_argument(
        "--only", choices=tuple(faults.FAULTS), action="append", help="one kind of fault; may come again"
    )
    given = options.parse_args()
    console = wide_console()
    began = time.monotonic()
    try:
        found = faults.run(given.only or faults.FAULTS)
    except faults.NoPeers as why:
        console.print(str(why), style="red")
        return 2
    table = Table("framework", "fault", *WORDS, "seconds")
    for row in found:
        told = [str(row[word]) for word in WORDS]
        table.add_row(f"{row['peer']} {row['version']}", row["fault"], *told, str(row["details"]["seconds"]))
    console.print(table)
    console.print(f"{time.monotonic() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
