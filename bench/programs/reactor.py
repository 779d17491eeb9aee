"""``python -m bench.programs.reactor [waiting]``: a service that keeps short weeks."""

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402  # what is imported from here on must find the patched modules

from bench.programs.hosting import serve  # noqa: E402
from bench.programs.short_weeks import ShortWeeks, SlowShortWeeks  # noqa: E402

if __name__ == "__main__":
    serve(SlowShortWeeks if "waiting" in sys.argv else ShortWeeks, lambda host, told: {})
