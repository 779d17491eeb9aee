"""The page to an address that a tenant keeps for a danger about which nobody else may be reached."""

from datetime import timedelta

from sqlalchemy.orm import Session

from shared.notification.delivery import deliver
from shared.notification.port import notify
from shared.settings import Settings

#: Its text.
FALLBACK_PAGE = "FALLBACK_PAGE"


def page_fallback(
    db: Session,
    *,
    notification_id: str,
    address: str,
    about_id: str,
    level: str,
    patient_id: str,
    give_up_after: timedelta,
) -> None:
    """Have a fallback address paged about a danger if, and only if, the caller's transaction commits.

    :param about_id: the concern, or the escalation.
    :param level: how grave it is, "E2" to "E4".
    """
    notify(
        db,
        notification_id=notification_id,
        template=FALLBACK_PAGE,
        address=address,
        about_id=about_id,
        urgent=True,
        codes=_codes(about_id, level),
        patient_id=patient_id,
        give_up_after=give_up_after,
    )


def deliver_fallback_page(
    settings: Settings, *, notification_id: str, address: str, about_id: str, level: str
) -> None:
    """Page a fallback address at once and once, without a database; on return somebody has taken it.

    :raises NotSent: when nobody said that they took it.
    :raises AddressUnusable: when it is no address.
    """
    deliver(
        settings,
        notification_id=notification_id,
        template=FALLBACK_PAGE,
        address=address,
        codes=_codes(about_id, level),
        urgent=True,
    )


def _codes(about_id: str, level: str) -> dict[str, str]:
    """Return all that the page tells: a reference that says nothing, and how grave it is."""
    return {"reference": about_id[:8], "level": level}
