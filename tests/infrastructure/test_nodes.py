"""The private RabbitMQ node that other tests rely on."""

import socket

import amqp
import pytest

from tests import nodes


def connection_to(node: nodes.RabbitNode) -> amqp.Connection:
    connection = amqp.Connection(host=f"127.0.0.1:{node.port}", confirm_publish=True, read_timeout=10)
    connection.connect()
    return connection


@pytest.mark.rabbitmq
class TestRabbitNode:
    def test_keeps_confirmed_messages_over_a_restart_and_nothing_after_discard(self):
        with nodes.node_or_skip() as node:
            with connection_to(node) as connection:
                channel = connection.channel()
                channel.queue_declare("letters", durable=True, auto_delete=False)
                channel.basic_publish(amqp.Message(b"dear all", delivery_mode=2), routing_key="letters")

            node.restart()

            with connection_to(node) as connection:
                assert connection.channel().basic_get("letters").body == b"dear all"

        assert not node.is_running
        assert not node.folder.exists()
        # Nor the name server that it started, which nobody else would ever end.
        with socket.socket() as knock:
            assert knock.connect_ex(("127.0.0.1", node._epmd_port)) != 0

    def test_fails_rather_than_skips_where_ci_is_set(self, monkeypatch):
        monkeypatch.setattr(nodes, "_SERVERS", ())
        monkeypatch.setattr(nodes, "_install_with_apt", lambda: None)

        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception, match="no RabbitMQ"):
            nodes.node_or_skip()

        monkeypatch.delenv("CI")
        with pytest.raises(pytest.skip.Exception, match=nodes.NO_RABBITMQ):
            nodes.node_or_skip()
