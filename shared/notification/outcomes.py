"""How trying to send can go wrong; each names a kind of failure, never an address or an answer's text."""


class NotSent(Exception):
    """Raised when a try to send did not end with the receiver's yes."""

    def __init__(self, code: str) -> None:
        """Name the kind of failure by *code*."""
        super().__init__(code)
        self.code = code


class Refused(NotSent):
    """Raised when no later try would go better: no such mailbox, or a page nobody serves."""


class Deferred(NotSent):
    """Raised when it was certainly not taken, and may be later."""


class OutcomeUnknown(NotSent):
    """Raised when it was handed over and no answer came: it may have been taken, or not."""
