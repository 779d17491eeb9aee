"""Solvers' processes that are forked from one which has loaded the library already.

To load it takes a second of processor time, and every house that admits somebody has a solver of its own, and
another after each time that it is killed. The tests of the solver start it as the program does.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from os import fork  # before anything is patched: it is to wait
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds, send_fds, socket
from subprocess import DEVNULL
from typing import Any

_COMMAND = [sys.executable, "-m", "services.scheduling.solving.child"]
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Stock:
    """Where solvers come from; stands in the place of :mod:`subprocess` where one is started."""

    DEVNULL = DEVNULL

    def __init__(self) -> None:
        """Have a process load the library; it ends with this one."""
        # In no file system, so that nobody has to remove it.
        self._address = f"\0homeward-warm-solvers-{os.getpid()}"
        listener = socket(AF_UNIX, SOCK_SEQPACKET)
        listener.bind(self._address)
        # Whoever comes early waits.
        listener.listen(100)
        self._pid = fork()
        if not self._pid:
            try:
                _give_away(listener)
            finally:
                os._exit(1)
        listener.close()

    def close(self) -> None:
        """End the process; solvers that were taken from it live on."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def Popen(self, command: Sequence[str], *, stdin: int, **options: Any) -> "Warm":  # noqa: N802  # as there
        """Start a solver that reads from a descriptor."""
        assert list(command) == _COMMAND
        with socket(AF_UNIX, SOCK_SEQPACKET) as asking:
            asking.connect(self._address)
            send_fds(asking, [b"one"], [stdin])
            return Warm(int(asking.recv(20)))


class Warm:
    """One solver's process, as whoever started it sees it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        """Return a status once the process has ended."""
        return None if Path(f"/proc/{self.pid}").exists() else 0

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended."""
        while self.poll() is None:
            time.sleep(0.002)
        return 0


def _give_away(listener: socket) -> None:
    """Load the library, and fork whenever somebody asks."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    # Nobody waits for those that end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from services.scheduling.solving import child, model  # noqa: F401, PLC0415  # after the fork

    while True:
        asking, _ = listener.accept()
        with asking:
            _, descriptors, _, _ = recv_fds(asking, 20, 1)
            pid = fork()
            if not pid:
                listener.close()
                asking.close()
                os.dup2(descriptors[0], 0)
                os.close(descriptors[0])
                # Whoever is tested by pytest has none.
                sys.stdin = os.fdopen(0)
                child.main()
            asking.send(str(pid).encode())
        for descriptor in descriptors:
            os.close(descriptor)
