"""How what intake keeps is shown: answers of its ways in, as their schemas say."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import billing, finding, inquiring, schemas, searching, tables
from services.intake.domain import (
    admissions,
    assessments,
    coverage,
    guide,
    notices,
    outward,
    program_credentials,
    programs,
    rules,
    supporters,
)
from services.intake.domain.admission_clocks import clocks_of
from services.intake.domain.assessments import Assessment
from services.intake.domain.contact_points import ContactBook, ContactPoint
from services.intake.domain.episodes import Episode
from services.intake.domain.inquiries import Inquiry
from services.intake.domain.partner_referrals import PartnerReferral
from services.intake.domain.referrals import Referral
from services.intake.domain.sites import Site
from shared.answers import answer_of
from shared.contracts import roles
from shared.contracts.event import write_moment
from shared.messaging import Call


def next_step(db: Session, episode: Episode, *, now: datetime) -> str:
    """Return the code of the one next step of an episode."""
    site = finding.site(db, episode.site_id)
    here = admissions.is_admissible_level(episode.decided_level, site=site, on=site.local_day(now))
    return episode.next_step(level_is_here=here)


def site_view(site: Site, *, now: datetime) -> dict[str, Any]:
    """Return a site with the levels that it may give now, and all its licences."""
    today = site.local_day(now)
    kept = ("site_id", "name", "time_zone", "emergency_phone", "address", "staffed_hours", "opened_at")
    shown: dict[str, Any] = {name: getattr(site, name) for name in kept}
    shown["levels_licensed"] = site.levels_on(today)
    shown["licences"] = [{**vars(one), "state": one.state_on(today)} for one in site.held()]
    return answer_of(schemas.Site, shown)


def partner_referral_view(db: Session, told: PartnerReferral, call: Call) -> dict[str, Any]:
    """Return what a partner sees of what it referred."""
    step = guide.referred_step()
    shown = {
        "external_id": told.external_id,
        "status": "RECEIVED",
        "received_at": told.received_at,
        "next_step": step.code,
        "what": step.what,
        "bring": step.bring,
    }
    if call.actor.role != roles.PARTNER:
        found = tables.find_step_down(db, step_down_id=told.step_down_id)
        shown |= {name: getattr(told, name) for name in ("patient_id", "episode_id", "referral_id")}
        shown["step_down_id"] = found.step_down_id if found else None
    return answer_of(schemas.PartnerReferral, shown)


def inquiry_status(db: Session, inquiry: Inquiry, *, now: datetime) -> dict[str, Any]:
    """Return where an inquiry stands, for whoever has its key."""
    site = finding.site(db, inquiry.site_id)
    return answer_of(schemas.InquiryStatus, inquiring.status_of(db, inquiry, site, now=now))


def inquiry_view(inquiry: Inquiry) -> dict[str, Any]:
    """Return an inquiry as the staff see it."""
    return answer_of(schemas.Inquiry, inquiry) | inquiring.view_of(inquiry)


def referral_view(db: Session, referral: Referral, episode: Episode, *, now: datetime) -> dict[str, Any]:
    """Return a referral with the next step of its episode."""
    shown = {"minor": episode.minor, "next_step": next_step(db, episode, now=now)}
    return answer_of(schemas.Referral, referral) | shown


def assessment_view(assessment: Assessment, site: Site) -> dict[str, Any]:
    """Return an assessment, with where help is for whoever is in danger."""
    crisis = assessments.crisis_content(assessment.risk_flags, emergency_phone=site.emergency_phone)
    return answer_of(schemas.Assessment, assessment) | {"crisis": crisis}


def patient_view(contacts: ContactBook) -> dict[str, Any]:
    """Return who somebody is, and how they are reached."""
    shown = answer_of(schemas.Patient, contacts.patient)
    return shown | {"contact_points": contact_point_views(contacts, schemas.WayToReach)}


def contact_point_views(
    contacts: ContactBook, schema: Any = schemas.ContactPoint, *, ended: bool = False
) -> list[dict[str, Any]]:
    """Return contact points in the order in which to try them; those that are used no more at the end."""
    shown = enumerate(contacts.in_order(), start=1)
    return [
        *(answer_of(schema, one) | {"position": place} for place, one in shown),
        *(answer_of(schema, one) | {"position": None} for one in (contacts.ended() if ended else ())),
    ]


def contact_point_view(contacts: ContactBook, point: ContactPoint) -> dict[str, Any]:
    """Return one contact point as it stands among the others."""
    shown = contact_point_views(contacts, ended=True)
    return next(one for one in shown if one["contact_point_id"] == point.contact_point_id)


def supporter_view(db: Session, supporter: supporters.Supporter, *, now: datetime) -> dict[str, Any]:
    """Return a supporter with what they may be told now."""
    consented = tables.consents_of(db, patient_id=supporter.patient_id)
    may_be_told = [] if supporter.ended_at else supporter.classes_told(consented, now=now)
    return answer_of(schemas.Supporter, supporter) | {"may_be_told": may_be_told}


def notice_view(told: dict[str, Any]) -> dict[str, Any]:
    """Return a version of the notice, whether it is in force, and to how many it was given."""
    shown = {name: told[name] for name in ("in_force", "given")}
    return answer_of(schemas.PrivacyNotice, told["notice"]) | shown


def receipt_views(db: Session, found: list[notices.NoticeReceipt]) -> list[dict[str, Any]]:
    """Return receipts with the edition of the notice that each is for."""
    editions = {notice.notice_id: notice.edition for notice in tables.all_notices(db)}
    return [answer_of(schemas.NoticeReceipt, one) | {"edition": editions[one.notice_id]} for one in found]


def outward_view(referral: outward.OutwardReferral, follow_ups: list[outward.FollowUp]) -> dict[str, Any]:
    """Return a referral to another program with its follow-ups."""
    shown = [answer_of(schemas.FollowUp, follow_up) for follow_up in follow_ups]
    return answer_of(schemas.OutwardReferral, referral) | {"follow_ups": shown}


def program_view(program: programs.Program, *, now: datetime) -> dict[str, Any]:
    """Return a program, and whether what it says is verified now."""
    return answer_of(schemas.FoundProgram, program) | {"verified": program.is_verified(now=now)}


def credential_view(credential: program_credentials.ProgramCredential, *, now: datetime) -> dict[str, Any]:
    """Return a program's credential with its state and next check."""
    recheck_due_at = credential.recheck_due_at()
    return answer_of(schemas.ProgramCredential, credential) | {
        "status": credential.status(now=now),
        "recheck_due_at": write_moment(recheck_due_at) if recheck_due_at else None,
    }


def authorization_view(db: Session, one: coverage.Authorization) -> dict[str, Any]:
    """Return an authorisation with its ledger of units."""
    ledger = one.count_units(tables.units_of(db, authorization_id=one.authorization_id))
    return answer_of(schemas.Authorization, one) | {
        "ledger": answer_of(schemas.UnitLedger, ledger),
        "alerts": one.told,
    }


def days_view(db: Session, call: Call, *, billable: bool) -> dict[str, Any]:
    """Return the days of a site, those that may be billed or those that may not, and why."""
    site = finding.site(db, call.data["site_id"])
    found = billing.days_of(db, site, call.data, billable=billable, now=call.now)
    shown = [answer_of(schemas.AttendedDay, one.line()) for one in found]
    return page(shown, limit=call.data["limit"], key="delivery_id")


def match_view(found: searching.Found, *, now: datetime) -> dict[str, Any]:
    """Return a program that was found, with the reasons for its rank."""
    match = found.match
    # A schema would ask each reason for each field by name, which costs more than the search itself.
    return {
        "program": _found_program(found.listing, now=now),
        "score": match.score,
        "miles": match.miles,
        "free_seats": match.free_seats,
        "placeable_minutes": match.placeable_minutes,
        "week_is_placeable": match.week_is_placeable,
        "reasons": [vars(why) for why in match.reasons],
        "alternative": found.alternative,
    }


#: What is told of a listing just as it stands there, in the order in which it is told.
_AS_LISTED = (
    "program_id",
    "site_id",
    "origin",
    "name",
    "second_name",
    "street",
    "second_street",
    "city",
    "state",
    "zip_code",
    "phone",
    "website",
    "latitude",
    "longitude",
    "offers",
)


def _found_program(listing: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return a listing as the schema of it would: a search tells a dozen, and each is plain."""
    since, until = listing["verified_from"], listing["verified_until"]
    return {
        **{name: listing[name] for name in _AS_LISTED},
        "listed_at": write_moment(listing["listed_at"]),
        "changed_at": write_moment(listing["changed_at"]),
        "verified_until": write_moment(until) if until is not None else None,
        "verified": programs.is_verified(since, until, now=now),
    }


def rules_view(
    pack: rules.RulePack,
    signatures: list[rules.RuleSignature],
    *,
    in_force: dict[str, int],
    licensed: tuple[str, ...],
) -> dict[str, Any]:
    """Return a pack of rules, whether it is in force, and who signed it."""
    signature = next(
        (
            one
            for one in signatures
            if (one.pack, one.version, one.digest) == (pack.pack, pack.version, pack.digest)
        ),
        None,
    )
    return answer_of(schemas.RulePack, pack) | {
        "may_be_signed": pack.may_be_signed(licensed=licensed),
        "in_force": in_force.get(pack.pack) == pack.version,
        "signature": answer_of(schemas.RuleSignature, signature) if signature else None,
    }


def queued_view(queued: dict[str, Any]) -> dict[str, Any]:
    """Return an entry of the waiting list with its place, reason and clocks."""
    wait = queued["wait"]
    running = clocks_of(wait)
    return answer_of(schemas.QueuedAdmission, wait) | {
        "position": queued["position"],
        "clocks": [{"clock": name, "due_at": write_moment(due_at)} for name, due_at in running.items()],
    }


def page(items: list[dict[str, Any]], *, limit: int, key: str) -> dict[str, Any]:
    """Cut a list that was fetched with one item too many, and say where it goes on."""
    shown = items[:limit]
    return {"items": shown, "next": shown[-1][key] if len(items) > limit else None}
