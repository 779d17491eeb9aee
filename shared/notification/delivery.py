"""Handing one text to whoever carries it: the mail server, or a receiver of webhooks."""

from collections.abc import Mapping

from shared import clock
from shared.notification.addresses import EMAIL, read_address
from shared.notification.mail import send_mail
from shared.notification.templates import LANGUAGE, TEMPLATES
from shared.notification.webhook import send_webhook
from shared.settings import Settings


def deliver(
    settings: Settings,
    *,
    notification_id: str,
    template: str,
    address: str,
    codes: Mapping[str, str],
    urgent: bool,
) -> None:
    """Try once to hand a text of the allow-list over; on return somebody has taken it.

    It asks no database. Whoever tries again does so under the same *notification_id*, so that a receiver can
    drop a double.

    :param address: ``mailto:…`` or ``https://…``.
    :raises NotSent: when nobody said that they took it.
    :raises AddressUnusable: when it is no address.
    """
    wording = TEMPLATES[template].wording(codes.get(LANGUAGE))
    now = clock.real_now()
    to = read_address(address)
    body = wording.body(codes)
    if to.channel == EMAIL:
        send_mail(
            settings=settings,
            notification_id=notification_id,
            mailbox=to.target,
            subject=wording.subject,
            body=body,
            date=now.timestamp(),
        )
    else:
        content = {
            "type": template.lower(),
            "timestamp": now.isoformat(),
            "data": {"subject": wording.subject, "text": body, "urgent": urgent, **codes},
        }
        send_webhook(
            settings=settings, notification_id=notification_id, url=to.target, content=content, now=now
        )
