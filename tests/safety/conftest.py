"""What the tests of the watch over dangers share: the receivers are those of notifications."""

from tests.notification.desk import desk_of, mail, pager

__all__ = ["desk_of", "mail", "pager"]
