"""Writing to somebody who gave an address: a text of the allow-list, at an hour that suits their site."""

from datetime import timedelta

from sqlalchemy.orm import Session

from services.intake import tables
from shared import notification
from shared.errors import TooEarly


def write_to(
    db: Session,
    *,
    patient_id: str,
    site_id: str,
    about_id: str,
    notification_id: str,
    template: str,
    give_up_after: timedelta,
) -> None:
    """Have a text sent; to nobody who gave no address, or said STOP.

    :raises TooEarly: when the person, or the site, is not known yet.
    """
    patient = tables.find_patient(db, patient_id=patient_id)
    if patient is None:
        raise TooEarly
    if patient.email is None:
        return
    site = tables.find_site(db, site_id=site_id)
    if site is None:
        raise TooEarly
    notification.notify(
        db,
        notification_id=notification_id,
        template=template,
        address=f"mailto:{patient.email}",
        about_id=about_id,
        urgent=False,
        patient_id=patient.patient_id,
        give_up_after=give_up_after,
        time_zone=site.time_zone,
    )
