"""A network that breaks up what the broker says: every answer arrives all the same.

One greenthread reads a connection while others publish on it. Whoever else read there, however shortly,
would take what belongs to a frame that has come in part, and nothing after it could be understood.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Self

import pytest

from homeward.postgres import PrivatePostgres
from tests.messaging.test_promises_on_brokers import Databases, Driven, process_beyond
from tests.nodes import RabbitNode

pytestmark = pytest.mark.rabbitmq

#: Bytes that arrive together: fewer than most frames have, and no divisor of their lengths.
PIECE_BYTES = 11
ASKED = 120
BOUND_SECONDS = 240.0


class BreakingUp:
    """Listens on a port of its own; what the server at *port* says arrives in pieces."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [client, server]
                for source, sink, piece in ((client, server, 65536), (server, client, PIECE_BYTES)):
                    threading.Thread(target=self._pass_on, args=(source, sink, piece), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, piece: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for start in range(0, len(data), piece):
                    sink.sendall(data[start : start + piece])
                    # So that whoever reads finds only this one.
                    time.sleep(0.0002)


@pytest.fixture
def process(postgres_server: PrivatePostgres, rabbitmq_node: RabbitNode) -> Iterator[Driven]:
    """Several services in one process, and such a network between them and the broker."""
    databases = Databases(postgres_server)
    with BreakingUp(rabbitmq_node.port) as network:
        # Each piece takes as long as a busy machine wants.
        deadline = int(BOUND_SECONDS)
        driven = process_beyond(
            network.port, rabbitmq_node.virtual_host(), databases, deadline_seconds=deadline
        )
        # A process that understands nothing any more says nothing either.
        bound = threading.Timer(BOUND_SECONDS, driven.kill)
        bound.start()
        yield driven
        bound.cancel()
        driven.kill()
    databases.drop()


def test_every_answer_arrives_though_frames_arrive_in_pieces(process: Driven) -> None:
    process.do("start", "monitoring", "gateway")

    answers = process.do("send_many", "monitoring", "count", [{}] * ASKED)

    assert [answer["status"] for answer in answers] == ["done"] * ASKED
