"""``python -m tests.journeys.shorter_word``: ``homeward``, where the word of intake counts for less long."""

import eventlet

if __name__ == "__main__":
    eventlet.monkey_patch()

import runpy  # after the patch

from gateway import standing

#: In the place of half a minute, for which nobody wants to wait in a test.
WORD_COUNTS_FOR_SECONDS = 5.0

if __name__ == "__main__":
    standing.WORD_COUNTS_FOR_SECONDS = WORD_COUNTS_FOR_SECONDS
    runpy.run_module("homeward", run_name="__main__", alter_sys=True)
