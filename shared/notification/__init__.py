"""The notification port: everything that Homeward sends to a person goes through here.

``notify`` writes a notification down in the caller's transaction, so that it is sent if, and only if,
what caused it was saved; a loop in every copy sends what is waiting, by mail or by a signed webhook.
"""

from shared.notification.addresses import AddressUnusable, read_address
from shared.notification.port import allow_messages, notify, person, stop_messages
from shared.notification.templates import is_for_patients, is_for_staff, language_for

__all__ = [
    "AddressUnusable",
    "allow_messages",
    "is_for_patients",
    "is_for_staff",
    "language_for",
    "notify",
    "person",
    "read_address",
    "stop_messages",
]
