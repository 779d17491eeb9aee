"""Peers as the service sees them: who is looked for when, what is asked of whom, and what ends it.

All of it runs in the transaction of what caused it. Whoever changes a match holds the site's lock, so that
nobody is given more newcomers than the rule allows.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.scheduling import schemas, tables
from services.scheduling.domain import peers, records
from services.scheduling.domain.asked import Asked
from shared.answers import answer_of
from shared.clock import cancel_timer, set_timer
from shared.contracts.event import Actor
from shared.messaging import announce, announce_all

#: The timer that looks for a newcomer's peer.
TIMER = "peer_match_due"

#: Newcomers for whom one more person who opts in is tried at once.
TRIED_AT_ONCE = 20


def expect(db: Session, episode: records.Episode, site: records.Site) -> None:
    """Look for a peer a week after admission."""
    if episode.admitted_at is not None and episode.discharged_at is None:
        due_at = peers.looked_for_at(admitted_at=episode.admitted_at, zone=site.time_zone)
        set_timer(db, TIMER, key=episode.episode_id, due_at=due_at)


def seek(db: Session, episode_id: str, *, now: datetime) -> None:
    """Propose a peer for a newcomer who has none and did not opt out; ask somebody where nobody fits."""
    found = tables.lock_to_accompany(db, episode_id=episode_id, task=peers.WANTED)
    if found is None:
        return
    newcomer, before = found.newcomer, found.matches
    has_one = any(one.newcomer_episode_id == episode_id and one.state in peers.OPEN_STATES for one in before)
    if found.episode.discharged_at is not None or found.patient.peers == "NO" or has_one:
        return
    tried = {one.guide_episode_id for one in before} | {one.newcomer_episode_id for one in before}
    chosen = peers.choose(newcomer, found.willing, tried=tried)
    if chosen is not None:
        guide, reasons = chosen
        match = peers.propose(newcomer, guide, site_id=found.site.site_id, reasons=reasons, now=now)
        db.add(match)
        announce(db, match.proposed())
        _withdraw(db, found.asked, now=now)
    elif not found.asked:
        # What somebody dealt with is not asked again.
        asked, opened = peers.ask_for_somebody(newcomer, now=now)
        db.add(asked)
        announce(db, opened)


def _close_asked(db: Session, episode_id: str, task: str, *, now: datetime) -> None:
    _withdraw(db, tables.asked_of_episode(db, episode_id=episode_id, task=task), now=now)


def _withdraw(db: Session, several: Iterable[Asked], *, now: datetime) -> None:
    for asked in several:
        if asked.closed_at is None:
            announce(db, asked.close(outcome="WITHDRAWN", now=now))


# --- What people say ------------------------------------------------------------------------------


def prefer(db: Session, patient: records.Patient, *, preference: str, now: datetime) -> None:
    """Note whether a patient, who is locked, wants a peer, and act on it at once."""
    patient.peers, patient.peers_told_at = preference, now
    db.flush()
    episode = tables.present_episode_of(db, patient_id=patient.patient_id)
    if episode is None or episode.site_id is None or episode.admitted_at is None:
        return
    site = tables.lock_site(db, site_id=episode.site_id)
    if site is None:
        return
    if preference == "NO":
        _close_asked(db, episode.episode_id, peers.WANTED, now=now)
        leave(db, episode, now=now)
        return
    if now >= peers.looked_for_at(admitted_at=episode.admitted_at, zone=site.time_zone):
        seek(db, episode.episode_id, now=now)
    for one in tables.episodes_without_peer(
        db, site_id=site.site_id, task=peers.WANTED, at_most=TRIED_AT_ONCE
    ):
        seek(db, one.episode_id, now=now)


def decide(
    db: Session, *, match_id: str, confirm: bool, reason: str | None, by: Actor, now: datetime
) -> peers.Match:
    """Confirm a match, so that both are asked, or decline it and look for somebody else.

    :raises NoSuchMatch: when there is none.
    """
    match = db.get(peers.Match, match_id)
    if match is None:
        raise peers.NoSuchMatch(field="match_id", rule="must be a match")
    _hold(db, match)
    caused = match.decide(confirm=confirm, reason=reason, by=by, now=now)
    announce_all(db, caused)
    if caused and match.state == "REJECTED":
        db.flush()
        seek(db, match.newcomer_episode_id, now=now)
    return match


def answer(db: Session, *, offer_id: str, said: str, patient_id: str | None, now: datetime) -> peers.Match:
    """Take what one of the two says to an offer; another patient's offer is not there.

    :raises NoSuchMatch: when nothing is offered under the id.
    """
    match = tables.match_of_offer(db, offer_id=offer_id)
    if match is None or match.decided_at is None or match.state == "REJECTED":
        raise peers.NoSuchMatch(field="offer_id", rule="must be an offer")
    is_newcomer = offer_id == match.newcomer_offer_id
    whose = match.newcomer_patient_id if is_newcomer else match.guide_patient_id
    if patient_id not in (None, whose):
        raise peers.NoSuchMatch(field="offer_id", rule="must be an offer")
    _hold(db, match)
    caused = match.answer(offer_id, answer=said, now=now)
    announce_all(db, caused)
    if caused and match.state == "MATCHED":
        _ask_to_introduce(db, match, now=now)
    elif caused and match.state == "DECLINED" and not is_newcomer:
        db.flush()
        seek(db, match.newcomer_episode_id, now=now)
    return match


def _hold(db: Session, match: peers.Match) -> None:
    """Take the lock under which matches change, and read the match anew."""
    tables.lock_site(db, site_id=match.site_id)
    db.refresh(match)


def _ask_to_introduce(db: Session, match: peers.Match, *, now: datetime) -> None:
    """Ask the counselor to bring the two together: names are known to people, not to this service."""
    asked, opened = match.ask_to_introduce(now=now)
    db.add(asked)
    announce(db, opened)


def leave(db: Session, episode: records.Episode, *, now: datetime) -> None:
    """End what somebody takes part in who leaves or opts out; whoever waits for them gets somebody else."""
    if episode.discharged_at is not None:
        cancel_timer(db, TIMER, key=episode.episode_id)
        _close_asked(db, episode.episode_id, peers.WANTED, now=now)
    waiting = []
    for match in tables.matches_of(db, episode_id=episode.episode_id):
        if match.guide_episode_id == episode.episode_id and match.state in ("PROPOSED", "OFFERED"):
            waiting.append(match.newcomer_episode_id)
        announce_all(db, match.end(now=now))
        asked = tables.find_asked(db, task_id=match.introduction_id)
        if asked is not None and asked.closed_at is None:
            announce(db, asked.close(outcome="WITHDRAWN", now=now))
    db.flush()
    for episode_id in waiting:
        seek(db, episode_id, now=now)


# --- What is shown --------------------------------------------------------------------------------


def match_view(match: peers.Match) -> dict[str, Any]:
    """Return a match as staff see it."""
    return answer_of(schemas.PeerMatch, match)


def offers_view(db: Session, *, patient_id: str) -> list[dict[str, Any]]:
    """Return what a patient was offered: nothing before staff confirmed it, nobody before both agreed."""
    return [
        offer_view(match, patient_id=patient_id)
        for match in tables.matches_of_patient(db, patient_id=patient_id)
        if match.decided_at is not None and match.state != "REJECTED"
    ]


def offer_view(match: peers.Match, *, patient_id: str) -> dict[str, Any]:
    """Return one offer as its patient sees it."""
    is_newcomer = match.newcomer_patient_id == patient_id
    known = match.state == "MATCHED"
    outcome = {"DECLINED": "NOT_MATCHED", "WITHDRAWN": "NOT_MATCHED"}.get(match.state, match.state)
    return answer_of(
        schemas.PeerOffer,
        {
            "offer_id": match.newcomer_offer_id if is_newcomer else match.guide_offer_id,
            "patient_id": patient_id,
            "part": "NEWCOMER" if is_newcomer else "GUIDE",
            "state": outcome,
            "answer": match.newcomer_answer if is_newcomer else match.guide_answer,
            "offered_at": match.decided_at,
            "peer_patient_id": (match.guide_patient_id if is_newcomer else match.newcomer_patient_id)
            if known
            else None,
        },
    )
