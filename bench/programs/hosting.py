"""Hosts one small service in this process and answers what it is told; see ``bench/parts.py``."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import eventlet.tpool
from nameko.containers import ServiceContainer

from homeward.process import look_seldom_for_cycles
from shared import sealing, telemetry
from shared.clock import RealClock
from shared.messaging.broker.rabbit import RabbitBroker
from shared.messaging.hosting.traffic import Wiring
from shared.settings import load_settings


def serve(service_class: type, answer: Callable[[Any, dict[str, Any]], Any]) -> None:
    """Host the service until standard input ends, answering its lines.

    :param answer: is given the service's host and what was told.
    """
    settings = load_settings(os.environ)
    telemetry.configure_logging("ERROR")
    sealing.use_key(settings.encryption_key)
    wiring = Wiring(settings=settings, broker=RabbitBroker(settings.broker_url), clock=RealClock())
    container = ServiceContainer(service_class, {"homeward": wiring})
    container.start()
    # As every process of Homeward's does.
    look_seldom_for_cycles()
    host = wiring.hosts[container.service_name]
    _say({"ready": True})
    # Read in a thread of its own: a blocking read would hold up every greenthread.
    while line := eventlet.tpool.execute(sys.stdin.readline):
        _say(answer(host, json.loads(line)))
    os._exit(0)


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
