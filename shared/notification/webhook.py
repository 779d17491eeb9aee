"""Sending by signed webhook (Standard Webhooks), to an address that is looked at before it is used."""

import ipaddress
import socket
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import eventlet
import orjson
import urllib3
from standardwebhooks import Webhook

from shared.notification.outcomes import Deferred, OutcomeUnknown, Refused
from shared.settings import Settings

#: Seconds until the connection stands, until each part of the answer, and for the whole of one try.
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 8.0
SEND_SECONDS = 10.0

#: Answers of 4xx after which a later try may go better: timeout, too early, too many requests.
_LATER = (408, 425, 429)


def send_webhook(
    *, settings: Settings, notification_id: str, url: str, content: dict[str, Any], now: datetime
) -> None:
    """Post one signed message; on return the receiver has answered 2xx.

    ``webhook-id`` is *notification_id*, the same at every try, so that the receiver can drop a double.
    No redirect is followed.

    :raises NotSent: when the receiver did not say that it took it.
    """
    if not settings.page_webhook_secret:
        raise Refused("NoWebhookSecret")
    parts = urlsplit(url)
    host, encrypted = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if encrypted else 80)
    if not encrypted and not settings.allow_private_addresses:
        raise Refused("NotEncrypted")
    body = orjson.dumps(content).decode()
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "webhooks/1",
        "webhook-id": notification_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(settings.page_webhook_secret).sign(notification_id, now, body),
    }
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    handed_over = False
    try:
        with eventlet.Timeout(SEND_SECONDS):
            address = _resolved(host, port, allow_private=settings.allow_private_addresses)
            handed_over = True
            status = _post(address, port, host, target, body, headers, encrypted=encrypted)
    except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
        raise Deferred(type(error).__name__) from None
    except urllib3.exceptions.SSLError:
        raise Deferred("SSLError") from None
    except (OSError, urllib3.exceptions.HTTPError, eventlet.Timeout) as error:
        raise (OutcomeUnknown if handed_over else Deferred)(type(error).__name__) from None
    if 200 <= status <= 299:
        return
    if 300 <= status <= 499 and status not in _LATER:
        raise Refused(f"Status{status}")
    raise Deferred(f"Status{status}")


def _resolved(host: str, port: int, *, allow_private: bool) -> str:
    """Return the one address that is connected to; it was looked up once and nobody asks again.

    So a name that tells something else at the next look-up leads nowhere.

    :raises Refused: when the name leads into a network that is not the public one.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise Refused("PrivateAddress")
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public internet, also when it is written as another."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if within is None and found in _NAT64:
            within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if within is not None:
            found = within
    return found.is_global and not found.is_multicast


#: Addresses behind which a translator reaches IPv4 (RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _post(
    address: str, port: int, host: str, target: str, body: str, headers: dict[str, str], *, encrypted: bool
) -> int:
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
    pool: urllib3.HTTPConnectionPool
    if encrypted:
        # Connected to by its address, greeted and checked by its name.
        pool = urllib3.HTTPSConnectionPool(
            address, port, timeout=timeout, server_hostname=host, assert_hostname=host
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout)
    with pool:
        answer = pool.urlopen(
            "POST",
            target,
            body=body.encode(),
            headers=headers,
            retries=False,
            redirect=False,
            # What the receiver says besides its status is of no interest, however long it is.
            preload_content=False,
        )
        answer.close()
        return answer.status
