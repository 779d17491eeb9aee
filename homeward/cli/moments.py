"""Moments as an operator types them."""

from datetime import datetime
from typing import Any

import click


class Moment(click.ParamType):
    """RFC 3339 with an offset, e.g. 2026-03-01T16:00:00-06:00."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the moment, or say what is wrong with it."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("RFC 3339 is needed, e.g. 2026-03-01T16:00:00-06:00", param, ctx)
        if moment.tzinfo is None:
            self.fail("it needs its offset from UTC, e.g. 2026-03-01T16:00:00-06:00", param, ctx)
        return moment


MOMENT = Moment()
