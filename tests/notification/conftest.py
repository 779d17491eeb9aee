"""What the tests of notifications share."""

from tests.notification.desk import desk, desk_of, mail, pager

__all__ = ["desk", "desk_of", "mail", "pager"]
