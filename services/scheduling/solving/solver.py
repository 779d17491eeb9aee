"""The way to the solver's process: started when first needed, kept warm, replaced when it dies.

While a greenthread waits for an answer, others run: what is waited for is a socket. One question is
asked at a time.
"""

import contextlib
import dataclasses
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import structlog

from services.scheduling.domain.problem import Problem

log = structlog.get_logger()

#: Longest wait for an answer, in seconds, before the process counts as stuck and is replaced. A start
#: takes some two of them on a busy machine, an answer some hundredths. Design default.
PATIENCE_SECONDS = 20.0

#: How often a question is asked before whoever asks is told that there is no answer. Design default.
TRIES = 2

_ROOT = Path(__file__).parent.parent.parent.parent


class SolverGone(RuntimeError):
    """Raised when the solver's process died, or was stuck, each time that it was asked."""


class SolverFailed(RuntimeError):
    """Raised when the solver could not make anything of a problem."""


class Solver:
    """One child process, and the wire to it."""

    def __init__(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def warm_up(self) -> None:
        """Start the process if there is none; whoever asks first will not wait for its start."""
        with self._turn:
            self._start()

    def solve(self, problem: Problem) -> list[int] | None:
        """Return the places of the options that make the best week, or None when there is none.

        :raises SolverGone: when no process lived long enough to answer.
        :raises SolverFailed: when the solver refused the problem or ran into its limit.
        """
        question = orjson.dumps(dataclasses.asdict(problem)) + b"\n"
        with self._turn:
            for _ in range(TRIES):
                line = self._ask(question)
                if line is None:
                    self._stop()
                    continue
                answer = orjson.loads(line)
                if "error" in answer:
                    raise SolverFailed(answer["error"])
                chosen: list[int] | None = answer["chosen"]
                return chosen
        raise SolverGone("the solver did not answer")

    def stop(self) -> None:
        """End the process."""
        with self._turn:
            self._stop()

    def _start(self) -> socket.socket:
        if self._wire is not None and self._process is not None and self._process.poll() is None:
            return self._wire
        self._stop()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # our own program
                [sys.executable, "-m", "services.scheduling.solving.child"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=_ROOT,
            )
        self._wire = ours
        return ours

    def _ask(self, question: bytes) -> bytes | None:
        give_up_at = time.monotonic() + self._patience_seconds
        answer = b""
        try:
            wire = self._start()
            wire.settimeout(self._patience_seconds)
            wire.sendall(question)
            while not answer.endswith(b"\n"):
                wire.settimeout(max(0.01, give_up_at - time.monotonic()))
                part = wire.recv(65536)
                if not part:
                    log.warning("solver_died")
                    return None
                answer += part
        except TimeoutError:
            log.warning("solver_stuck")
            return None
        except ConnectionError:
            log.warning("solver_died")
            return None
        return answer

    def _stop(self) -> None:
        if self._wire is not None:
            self._wire.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        self._process = self._wire = None
