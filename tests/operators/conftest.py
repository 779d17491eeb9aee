"""A gateway with stubbed services, as the tests of the gateway have it."""

from tests.gateway.conftest import builder, shared_builder

__all__ = ["builder", "shared_builder"]
