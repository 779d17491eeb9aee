"""Where a notification can go: a mailbox, or a pager behind a signed webhook."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

#: Ways to reach somebody.
EMAIL, WEBHOOK = "EMAIL", "WEBHOOK"

#: A mailbox as RFC 5321 knows it, without quoted names, which nobody of ours has.
_MAILBOX = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
)
#: Longer addresses than this are no addresses of people.
_LONGEST = 2000


class AddressUnusable(ValueError):
    """Raised when an address is neither ``mailto:…`` nor ``https://…``; never quotes it."""


@dataclass(frozen=True)
class Address:
    """A way to reach somebody, and where that is."""

    channel: str
    #: The mailbox, or the URL.
    target: str


def read_address(text: str) -> Address:
    """Return the address that *text* tells.

    ``http://`` is read too; the webhook sends there only where private addresses are allowed.

    :raises AddressUnusable: when it is none that anything can be sent to.
    """
    if len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise AddressUnusable("not an address")
    if text.lower().startswith("mailto:"):
        mailbox = unquote(text[len("mailto:") :])
        if not _MAILBOX.fullmatch(mailbox):
            raise AddressUnusable("not a mailbox")
        return Address(EMAIL, mailbox)
    try:
        url = urlsplit(text)
        usable = url.scheme in ("https", "http") and url.hostname and url.username is None
        _ = url.port
    except ValueError:
        usable = False
    if not usable:
        raise AddressUnusable("not an address")
    return Address(WEBHOOK, text)
