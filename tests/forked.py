"""Our own programs as processes that are forked from one which has loaded them already.

To load Homeward takes longer than most of what a process of it is asked for in a test. A forked one has
memory, connections and threads of its own and is signalled, killed and waited for like any other. Those
that show how a process starts by itself are started by itself: see :class:`subprocess.Popen`.
"""

import functools
import gc
import importlib
import json
import os
import runpy
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from os import fork, waitpid  # before anything is patched: they are to wait
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, recv_fds, send_fds, socket, socketpair
from typing import IO, Any

from tests.warm_solvers import Stock

ROOT = Path(__file__).parent.parent

#: Most bytes of one order: arguments and an environment.
_LONGEST_ORDER = 100_000

#: Whether a process can be waited for by others than its parent.
_CAN_FORK = hasattr(os, "pidfd_open")

_OF_A_MODULE = [sys.executable, "-m"]


def popen(command: Sequence[Any], **options: Any) -> "subprocess.Popen[Any]":
    """Start one of our modules as :class:`subprocess.Popen` would, where that can be done by a fork.

    :param command: as ``[sys.executable, "-m", module, *arguments]``.
    """
    assert list(command[:2]) == _OF_A_MODULE
    return Forked(command[2:], **options) if _CAN_FORK else subprocess.Popen(command, **options)


def prepare() -> None:
    """Begin to load what processes are forked from, so that the first one does not wait for all of it."""
    if _CAN_FORK:
        _source()


class Forked(subprocess.Popen[Any]):
    """A process as its starter sees it."""

    def __init__(  # its own way to start a process is the point
        self,
        command: Sequence[Any],
        *,
        cwd: Path | str = ROOT,
        env: dict[str, str] | None = None,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.DEVNULL,
        stderr: Any = subprocess.DEVNULL,
        start_new_session: bool = False,
        text: bool = False,
    ) -> None:
        self.args = command
        self.returncode = None
        self.stdin = self.stdout = self.stderr = None
        letter = "" if text else "b"
        theirs, to_close = [], []
        for number, wanted in enumerate((stdin, stdout, stderr)):
            if wanted == subprocess.PIPE:
                reads, writes = os.pipe()
                given, kept = (reads, writes) if number == 0 else (writes, reads)
                pipe: IO[Any] = open(kept, ("w" if number == 0 else "r") + letter)  # noqa: PTH123, SIM115
                setattr(self, ("stdin", "stdout", "stderr")[number], pipe)
                to_close.append(given)
            elif wanted == subprocess.DEVNULL:
                given = os.open(os.devnull, os.O_RDWR)
                to_close.append(given)
            else:
                given = wanted.fileno()
            theirs.append(given)
        order = {
            "command": [str(part) for part in command],
            "cwd": str(cwd),
            "env": dict(os.environ) if env is None else env,
            "new_session": start_new_session,
        }
        self._source = _source()
        try:
            self.pid = self._source.tell(order, theirs)
        finally:
            for descriptor in to_close:
                os.close(descriptor)
        self._ended = os.pidfd_open(self.pid)
        weakref.finalize(self, os.close, self._ended)
        self._turn = threading.Lock()

    def poll(self) -> int | None:
        """Return the status once the process has ended."""
        self._wait_for(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has ended and return its status."""
        self._wait_for(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return int(self.returncode)

    def _wait_for(self, seconds: float | None) -> None:
        if self.returncode is not None:
            return
        ending = select.poll()
        ending.register(self._ended, select.POLLIN)
        # Whoever waits keeps nobody else from sending a signal.
        if ending.poll(None if seconds is None else seconds * 1000):
            with self._turn:
                if self.returncode is None:
                    self.returncode = self._source.tell({"ended": self.pid})


class _Source:
    """The process that has loaded everything, as others see it."""

    def __init__(self) -> None:
        self._control, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        self._turn = threading.Lock()
        with theirs:
            # It ends when we do, however that happens: nobody holds the other end then.
            self._process = subprocess.Popen(
                [*_OF_A_MODULE, "tests.forked", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # A Ctrl-C is for the tests to pass on, in order.
                start_new_session=True,
            )

    def tell(self, order: dict[str, Any], descriptors: Sequence[int] = ()) -> int:
        """Give an order and return the answer."""
        with self._turn:
            send_fds(self._control, [json.dumps(order).encode()], list(descriptors))
            answer = self._control.recv(100)
        if not answer:
            raise RuntimeError("the process to fork from has ended")
        return int(answer)


@functools.cache
def _source() -> _Source:
    return _Source()


# --- In the process itself ---------------------------------------------------------------------------


#: What a program of ours loads; the first of all patches what everything else imports.
_PARTS = (
    "homeward.cli.run",
    "homeward.embedded",
    "homeward.greeting",
    "homeward.process",
    "homeward.schema",
    "shared.messaging.broker.memory",
    "shared.messaging.broker.rabbit",
    "shared.notification.sending",
    *(f"services.{name}.service" for name in ("intake", "scheduling", "monitoring", "aftercare")),
    "gateway.service",
)


def _load() -> None:
    for name in _PARTS:
        importlib.import_module(name)
    gc.collect()
    # What is here stays, and is shared as long as nobody writes to it.
    gc.freeze()


def _serve(control: socket) -> list[str] | None:
    """Fork as often as is asked for; return a command in each new process, and None in the end."""
    while True:
        told, descriptors, _, _ = recv_fds(control, _LONGEST_ORDER, 3)
        if not told:
            return None
        order = json.loads(told)
        if "ended" in order:
            _, status = waitpid(order["ended"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = fork()
            if not answer:
                control.close()
                _become(order, descriptors)
                return list(order["command"])
            for descriptor in descriptors:
                os.close(descriptor)
        control.send(str(answer).encode())


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    """Give a process that was just forked what it was ordered to have, and nothing to share."""
    if order["new_session"]:
        os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    # The one that was there when everything was patched would wait for what the parent waits for.
    importlib.import_module("eventlet.hubs").use_hub()


def main() -> None:
    """Fork until whoever started this process has ended; in each fork, run what is wanted there."""
    control = socket(fileno=int(sys.argv[1]))
    stock = Stock()
    _load()
    # For whoever is forked: its solver is not to load everything either.
    importlib.import_module("services.scheduling.solving.solver").subprocess = stock
    command = _serve(control)
    if command is not None:
        sys.argv = command
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
