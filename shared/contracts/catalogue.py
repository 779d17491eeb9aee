"""Every event of Homeward: importing this module declares them all."""

from shared.contracts import aftercare, common, gateway, intake, monitoring, scheduling
from shared.contracts.event import EVENTS

__all__ = ["EVENTS", "aftercare", "common", "gateway", "intake", "monitoring", "scheduling"]
