"""Files of the tests' servers and houses, kept in memory where there is room.

RabbitMQ and PostgreSQL wait for the disk before they confirm a message or commit a row, which is much of what
a short test waits for. Processes are killed in the tests, and find again whatever was written before: nobody
cuts the power.
"""

import os
import shutil
import tempfile
from pathlib import Path

#: A file system in memory, as Linux has it.
PLACE = Path("/dev/shm")

#: Bytes that are to be free there, and of memory: some times what all tests keep at once.
ROOM = 6 * 1024**3


def keep_files_in_memory() -> None:
    """Make new temporary folders in memory, unless somebody has said where they belong."""
    if "TMPDIR" not in os.environ and _free() >= ROOM:
        tempfile.tempdir = str(PLACE)


def _free() -> int:
    if not os.access(PLACE, os.W_OK | os.X_OK):
        return 0
    sizes = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return min(shutil.disk_usage(PLACE).free, int(sizes["MemAvailable"].removesuffix("kB")) * 1024)
