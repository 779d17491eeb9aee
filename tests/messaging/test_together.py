"""Commands that are asked of one service at one moment travel in one message; each is still its own."""

import contextlib
from collections.abc import Iterator

import amqp
import pytest

from homeward.postgres import PrivatePostgres
from shared.ids import new_id
from shared.messaging.broker import together, topology
from tests.costs.counting import Proxy
from tests.messaging.test_promises_on_brokers import Databases, Driven, process_beyond, until
from tests.nodes import RabbitNode

ASKED = 40


class TestOneMessage:
    def test_holds_what_was_put_into_it(self) -> None:
        parts = [(new_id(), b""), (new_id(), b"one"), (new_id(), bytes(range(256)))]

        assert together.split(together.join(parts)) == parts

    def test_holds_so_many_at_most(self) -> None:
        parts = [(new_id(), b"x")] * (2 * together.MOST + 1)

        loads = list(together.loads(parts))

        assert [len(load) for load in loads] == [together.MOST, together.MOST, 1]

    def test_holds_so_much_at_most_and_what_is_larger_goes_alone(self) -> None:
        small, large = (new_id(), b"x"), (new_id(), b"x" * (together.MOST_BYTES + 1))

        assert list(together.loads([small, large, small, small])) == [[small], [large], [small, small]]

    def test_of_nothing_is_none(self) -> None:
        assert list(together.loads([])) == []


@pytest.fixture
def process(postgres_server: PrivatePostgres, corner: str, network: Proxy) -> Iterator[Driven]:
    """A service that tells, and a gateway that asks."""
    databases = Databases(postgres_server)
    driven = process_beyond(network.port, corner, databases)
    driven.do("start", "gateway")
    yield driven
    driven.kill()
    databases.drop()


def waiting_in(node: RabbitNode, corner: str, queue: str) -> int | None:
    """Return how many messages wait in a queue; none when there is no such queue."""
    address = f"127.0.0.1:{node.port}"
    with (
        contextlib.suppress(amqp.exceptions.NotFound),
        amqp.Connection(address, virtual_host=corner) as connection,
    ):
        return int(connection.channel().queue_declare(queue, passive=True).message_count)
    return None


@pytest.mark.rabbitmq
class TestCommands:
    def test_of_one_moment_go_in_few_messages(self, process: Driven, network: Proxy) -> None:
        process.do("start", "monitoring")
        process.do("send", "monitoring", "count", {})
        before = network.snapshot()

        answers = process.do("send_many", "monitoring", "count", [{}] * ASKED)

        assert [answer["status"] for answer in answers] == ["done"] * ASKED
        # One by one each is published twice: as a command and as its answer.
        assert (network.snapshot() - before)["publish up"] < ASKED

    def test_get_each_its_own_answer(self, process: Driven) -> None:
        process.do("start", "scheduling")
        datas = [{"seats": [f"seat {n} {m}" for m in range(n % 5)]} for n in range(ASKED)]

        answers = process.do("send_many", "scheduling", "tell", datas)

        assert [answer["answer"] for answer in answers] == [{"told": n % 5} for n in range(ASKED)]

    def test_do_not_wait_for_each_other(self, process: Driven) -> None:
        process.do("start", "scheduling")
        datas = [{"seats": [], "last": number == 0} for number in range(4)]

        ended = process.do("race", "scheduling", "tell", datas)

        assert ended[-1] == 0
        assert set(ended) == {0, 1, 2, 3}

    def test_that_are_refused_leave_the_others(self, process: Driven) -> None:
        process.do("start", "scheduling")
        datas = [{"seats": ["one"]}, {"seats": 7}, {}, {"seats": ["two", "three"]}]

        answers = process.do("send_many", "scheduling", "tell", datas)

        assert [answer.get("answer") or answer["refused"] for answer in answers] == [
            {"told": 1},
            "invalid_input",
            "invalid_input",
            {"told": 2},
        ]

    def test_wait_for_a_copy_that_is_on_its_way(self, process: Driven) -> None:
        process.do("start", "scheduling")
        assert len(process.do("send_many", "scheduling", "tell", [{"seats": []}] * 4)) == 4
        process.do("stop", "scheduling")

        answers = process.do("send_many_and_start", "scheduling", "tell", [{"seats": ["one"]}] * ASKED)

        assert [answer["status"] for answer in answers] == ["done"] * ASKED

    def test_are_finished_before_a_stop_and_do_not_come_again(
        self, process: Driven, rabbitmq_node: RabbitNode, corner: str
    ) -> None:
        process.do("start", "scheduling")

        answers = process.do("send_many_and_stop", "scheduling", "tell", [{"seats": [], "last": True}] * 8)

        assert [answer["status"] for answer in answers] == ["done"] * 8
        assert waiting_in(rabbitmq_node, corner, topology.together_queue_of("scheduling")) == 0
        assert waiting_in(rabbitmq_node, corner, topology.commands_queue_of("scheduling")) == 0

    def test_reach_a_service_of_the_version_before_one_by_one(
        self, process: Driven, rabbitmq_node: RabbitNode, corner: str
    ) -> None:
        process.do("answer_one_by_one", "scheduling")
        assert waiting_in(rabbitmq_node, corner, topology.together_queue_of("scheduling")) is None

        answers = process.do("send_many", "scheduling", "tell", [{}] * ASKED)

        assert [answer["answer"] for answer in answers] == [{"told": "one by one"}] * ASKED


@pytest.mark.rabbitmq
def test_what_nobody_takes_is_gone_with_its_deadline(
    postgres_server: PrivatePostgres, rabbitmq_node: RabbitNode, corner: str
) -> None:
    databases = Databases(postgres_server)
    process = process_beyond(rabbitmq_node.port, corner, databases, deadline_seconds=1)
    try:
        process.do("start", "gateway")

        answers = process.do("send_many", "monitoring", "count", [{}] * 5)

        assert [answer["status"] for answer in answers] == [503] * 5
        queue = topology.commands_queue_of("monitoring")
        until(lambda: waiting_in(rabbitmq_node, corner, queue) == 0, seconds=60)
    finally:
        process.kill()
        databases.drop()
