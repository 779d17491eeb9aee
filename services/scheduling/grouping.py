"""Standing groups as the service sees them: the room that one has, and what happens when one ends.

All of it runs in the transaction of what caused it, with the site locked: whoever plans or books at the
site waits.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.scheduling import schemas, seating, tables
from services.scheduling.domain import attendance, groups, planner, plans, records, rooms, weeks
from shared.answers import answer_of
from shared.contracts.scheduling import GROUP_ENDED, GroupEnded
from shared.messaging import announce_all


def group_of(db: Session, group_id: str) -> groups.Group:
    """Return a group.

    :raises NoSuchGroup: when there is none.
    """
    group = db.get(groups.Group, group_id)
    if group is None:
        raise groups.NoSuchGroup(field="group_id", rule="must be a group")
    return group


def locked(db: Session, group_id: str) -> tuple[groups.Group, records.Site]:
    """Return a group with its site, which is locked.

    :raises NoSuchGroup: when there is none.
    """
    group = group_of(db, group_id)
    site = tables.lock_site(db, site_id=group.site_id)
    if site is None:
        raise groups.NoSuchGroup(field="group_id", rule="must be a group")
    # Whoever held the lock before may have changed the group.
    db.refresh(group)
    return group, site


# --- Rooms ----------------------------------------------------------------------------------------


def room_of(db: Session, room_id: str) -> rooms.Room:
    """Return a room.

    :raises NoSuchRoom: when there is none.
    """
    room = db.get(rooms.Room, room_id)
    if room is None:
        raise rooms.NoSuchRoom(field="room_id", rule="must be a room")
    return room


def move(
    db: Session, group: groups.Group, room: rooms.Room | None, site: records.Site, *, now: datetime
) -> None:
    """Have a group meet in a room from now on, or in none; its sessions to come move with it.

    One that was moved elsewhere by hand stays there.

    :raises NoSuchRoom: when the room is at another site.
    :raises NoRoomNeeded: when nobody leaves home for the group.
    :raises RoomTooSmall: when the group has more seats than the room has places.
    :raises RoomTaken: when another group, or a session, has the room at a time of the group's.
    """
    if room is not None:
        room.check_holds(site_id=group.site_id, capacity=group.capacity, mode=group.mode)
    before = group.room_id
    tables.leave_room(db, group_id=group.group_id)
    group.room_id = room.room_id if room is not None else None
    if room is not None:
        take_room(db, group, room, site, now=now)
    for session in tables.lock_sessions_of_group(db, group, after=now):
        if session.room_id in (None, before):
            session.room_id = group.room_id
    seating.write_down(db)


def take_room(
    db: Session, group: groups.Group, room: rooms.Room, site: records.Site, *, now: datetime
) -> None:
    """Keep a room for a standing group: no other group, and no session of its own, can have it then.

    :raises RoomTaken: when another group, or a session, has it at a time of the group's.
    """
    spans = group.spans()
    for session in tables.sessions_in_room(db, room, after=now):
        if session.group_id != group.group_id and any(
            weeks.span_of(starts_at=session.starts_at, ends_at=session.ends_at, zone=site.time_zone).meets(
                own
            )
            for own in spans
        ):
            raise rooms.RoomTaken(field="room_id", rule="a session is planned in it at a time of the group's")
    db.add_all(rooms.hours_in(room_id=room.room_id, group_id=group.group_id, spans=spans))
    seating.write_down(db)


def check_room_free(db: Session, session: attendance.Session, room: rooms.Room, site: records.Site) -> None:
    """Refuse a room for a session at whose time a standing group has it.

    :raises RoomTaken: when one has.
    """
    stretch = weeks.span_of(starts_at=session.starts_at, ends_at=session.ends_at, zone=site.time_zone)
    for hour in tables.room_hours_of(db, room_id=room.room_id):
        if hour.group_id != session.group_id and hour.meets(stretch):
            raise rooms.RoomTaken(field="room_id", rule="a standing group has it at that time")


# --- The end of a group ---------------------------------------------------------------------------

#: A standing meeting, or an hour with a therapist: what can move in a week.
_Slot = tuple[str, int] | planner.IndividualSlot


@dataclass(kw_only=True)
class Member:
    """Somebody who was in a group that ended, with the week that they had."""

    plan: plans.WeeklyPlan
    episode: records.Episode
    patient: records.Patient
    #: The places that went with the group.
    gone: list[plans.Place]
    before: frozenset[_Slot]


@dataclass(kw_only=True)
class Ending:
    """A group that ended, what was called off, and who needs another week."""

    group: groups.Group
    sessions_cancelled: int
    seats_cancelled: int
    members: list[Member] = field(default_factory=list)

    @property
    def left(self) -> list[Member]:
        """Return those for whom no week was found."""
        return [member for member in self.members if member.plan.reason is not None]

    def told(self) -> GroupEnded:
        """Return the fact that the group ended.

        :raises ValueError: when it did not.
        """
        if self.group.ended_at is None or self.group.end_reason is None:
            raise ValueError("the group goes on")
        return GroupEnded(
            group_id=self.group.group_id,
            site_id=self.group.site_id,
            reason=self.group.end_reason,
            sessions_cancelled=self.sessions_cancelled,
            seats_cancelled=self.seats_cancelled,
            members_moved=len(self.members) - len(self.left),
            members_without_week=len(self.left),
            ended_at=self.group.ended_at,
        )


def end(db: Session, group: groups.Group, *, reason: str, now: datetime) -> Ending:
    """End a group: its room is free, its sessions to come are called off, nobody is planned into it.

    :return: among others its members, in the order in which their weeks are to be found anew.
    :raises GroupIsOver: when it ended before.
    """
    announce_all(db, group.end(reason=reason, now=now))
    tables.leave_room(db, group_id=group.group_id)
    found = tables.lock_sessions_of_group(db, group, after=now)
    called_off, _, seats_cancelled = seating.call_off(db, found, reason=GROUP_ENDED, now=now)
    db.flush()
    members = plans.hardest_first(tables.members_of(db, group_id=group.group_id))
    held = tables.places_of(db, plan_ids=[plan.plan_id for plan, _, _ in members])
    return Ending(
        group=group,
        sessions_cancelled=len(called_off),
        seats_cancelled=seats_cancelled,
        members=[
            Member(
                plan=plan,
                episode=episode,
                patient=patient,
                gone=[place for place in held[plan.plan_id] if place.group_id == group.group_id],
                before=_slots(plan, held[plan.plan_id]),
            )
            for plan, episode, patient in members
        ],
    )


def ending_view(db: Session, ending: Ending) -> dict[str, Any]:
    """Return what became of a group's members."""
    db.flush()
    held = tables.places_of(db, plan_ids=[member.plan.plan_id for member in ending.members])
    moved = [
        {
            "patient_id": member.plan.patient_id,
            "episode_id": member.plan.episode_id,
            "version": member.plan.version,
            "meetings_moved": len(member.before - _slots(member.plan, held[member.plan.plan_id])),
            "because": member.plan.changed_because,
            "confirm_by": member.plan.confirm_by,
        }
        for member in ending.members
        if member.plan.reason is None
    ]
    left = [
        {
            "patient_id": member.plan.patient_id,
            "episode_id": member.plan.episode_id,
            "reason": member.plan.reason,
            "task_id": member.plan.task_id,
        }
        for member in ending.left
    ]
    return answer_of(
        schemas.GroupEnding,
        {
            "group_id": ending.group.group_id,
            "site_id": ending.group.site_id,
            "reason": ending.group.end_reason,
            "ended_at": ending.group.ended_at,
            "sessions_cancelled": ending.sessions_cancelled,
            "seats_cancelled": ending.seats_cancelled,
            "moved": moved,
            "without_week": left,
        },
    )


def _slots(plan: plans.WeeklyPlan, places: list[plans.Place]) -> frozenset[_Slot]:
    hour = plan.individual
    return frozenset(
        [*((place.group_id, place.weekday) for place in places), *([hour] if hour is not None else [])]
    )
