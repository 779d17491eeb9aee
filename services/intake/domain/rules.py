"""The packs of rules of a tenant: what there is, who signed it, and what is in force.

A pack takes effect for a tenant only once its medical director has signed that version, and exactly
that content: a signature names the digest of what was signed. What an unsigned placement pack would
recommend is not told to anybody, and answers to an unsigned instrument are kept without a score.
"""

import difflib
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import NamedTuple

from services.intake.domain import placement, placement4, sliding_fees
from services.intake.domain.decisions import check_licensed
from shared import instruments
from shared.contracts.event import Actor, Event
from shared.contracts.intake import RulesSigned
from shared.errors import Conflict, InvalidInput, NotFound

INSTRUMENT, PLACEMENT, SLIDING_FEE = "INSTRUMENT", "PLACEMENT", "SLIDING_FEE"


class NoSuchRules(NotFound):
    """Raised when there is no such pack of rules, or no such version of it."""


class RulesShipOff(Conflict):
    """Raised when rules are signed whose licence nobody has named."""


class RulesNotSigned(Conflict):
    """Raised when rules are needed that no medical director of the tenant has signed."""


class SignedSomethingElse(InvalidInput):
    """Raised when the digest that was looked at is not that of the pack."""


@dataclass(frozen=True, kw_only=True)
class RulePack:
    """One version of one pack, of whatever kind; ``digest`` is the SHA-256 of its file."""

    pack: str
    version: int
    kind: str
    title: str
    licence: str
    source: str
    ships_on: bool
    digest: str

    def may_be_signed(self, *, licensed: Iterable[str]) -> bool:
        """Tell whether the licence is clear, or somebody holds one."""
        return self.ships_on or self.pack in licensed


@dataclass(eq=False, kw_only=True)
class RuleSignature:
    """That a medical director put a version of a pack in force, when, and which content it had."""

    signature_id: str
    pack: str
    version: int
    digest: str
    signed_at: datetime
    signed_by: str
    signed_by_role: str
    signed_by_credential: str
    tenant_id: str = ""


class Signed(NamedTuple):
    """What of a signature tells which rules are in force: a pack, its version and the content it had."""

    pack: str
    version: int
    digest: str


@functools.cache
def catalogue() -> tuple[RulePack, ...]:
    """Return every version of every pack that ships, in order of name and version."""
    found = [
        RulePack(
            pack=pack.instrument,
            version=pack.version,
            kind=INSTRUMENT,
            title=pack.title,
            licence=pack.licence,
            source=pack.source,
            ships_on=pack.ships_on,
            digest=pack.digest,
        )
        for versions in instruments.all_packs().values()
        for pack in versions
    ]
    found += [
        RulePack(
            pack=rules.code,
            version=rules.version,
            kind=kind,
            title=rules.title,
            licence=rules.licence,
            source=rules.source,
            ships_on=rules.ships_on,
            digest=rules.digest,
        )
        for kind, packs in ((PLACEMENT, _placement_packs()), (SLIDING_FEE, sliding_fees.all_packs().values()))
        for rules in packs
    ]
    return tuple(sorted(found, key=lambda one: (one.pack, one.version)))


def _placement_packs() -> list[placement.PlacementPack | placement4.SubdimensionPack]:
    return [*placement.all_packs().values(), placement4.newest()]


def find(pack: str, version: int) -> RulePack:
    """Return a version of a pack.

    :raises NoSuchRules: when there is none.
    """
    for one in catalogue():
        if (one.pack, one.version) == (pack, version):
            return one
    raise NoSuchRules("No such rules.", field="pack", rule="a pack and version that ship")


def sign(
    *,
    signature_id: str,
    pack: RulePack,
    digest: str,
    earlier: Iterable[RuleSignature],
    licensed: Iterable[str],
    actor: Actor,
    now: datetime,
) -> tuple[RuleSignature, list[Event]]:
    """Put a version in force for the tenant; one that is signed already keeps its signature.

    :raises NotLicensed: when the director's token asserts no licence.
    :raises SignedSomethingElse: when the content looked at is not the pack's.
    :raises RulesShipOff: when the pack ships off, and no licence is named.
    """
    check_licensed(actor)
    if digest != pack.digest:
        raise SignedSomethingElse(
            "The pack is not the one that was looked at.", field="digest", rule="the pack's own digest"
        )
    if not pack.may_be_signed(licensed=licensed):
        raise RulesShipOff(
            "These rules ship off: their licence is not clear.",
            field="pack",
            rule="named in HOMEWARD_LICENSED_PACKS by whoever holds the licence",
        )
    for one in earlier:
        if (one.pack, one.version, one.digest) == (pack.pack, pack.version, pack.digest):
            return one, []
    signature = RuleSignature(
        signature_id=signature_id,
        pack=pack.pack,
        version=pack.version,
        digest=pack.digest,
        signed_at=now,
        signed_by=actor.actor_id,
        signed_by_role=actor.role,
        signed_by_credential=actor.credential,
    )
    signed = RulesSigned(
        signature_id=signature_id,
        pack=pack.pack,
        version=pack.version,
        digest=pack.digest,
        signed_at=now,
    )
    return signature, [signed]


def in_force(signatures: Iterable[RuleSignature | Signed], *, licensed: Iterable[str]) -> dict[str, int]:
    """Return the version in force of each pack: the newest that was signed with the content it has."""
    licences = tuple(licensed)
    signed = {(one.pack, one.version, one.digest) for one in signatures}
    found: dict[str, int] = {}
    for one in catalogue():
        if (one.pack, one.version, one.digest) in signed and one.may_be_signed(licensed=licences):
            found[one.pack] = max(one.version, found.get(one.pack, 0))
    return found


def versions_in_force(
    pack: str, signatures: Iterable[RuleSignature], *, licensed: Iterable[str]
) -> list[int]:
    """Return every signed version of a pack; versions of some hold one after the other, by the day."""
    licences = tuple(licensed)
    signed = {(one.pack, one.version, one.digest) for one in signatures}
    return [
        one.version
        for one in catalogue()
        if one.pack == pack
        and (one.pack, one.version, one.digest) in signed
        and one.may_be_signed(licensed=licences)
    ]


def check_signed(rule_version: str, signatures: Iterable[RuleSignature | Signed]) -> None:
    """Refuse to act on a recommendation by rules that nobody of the tenant has signed.

    :param rule_version: as it stands on the assessment, e.g. "ASAM3-1".
    :raises RulesNotSigned: when no signature covers that version.
    """
    signed = {(one.pack, one.version, one.digest) for one in signatures}
    for pack in _placement_packs():
        if pack.rule_version == rule_version and (pack.code, pack.version, pack.digest) in signed:
            return
    raise RulesNotSigned(
        "The rules are not in force: the medical director has not signed them.",
        field="assessment_id",
        rule=f"the rules {rule_version} are signed by the medical director",
    )


def difference(pack: str, older: int, newer: int) -> list[str]:
    """Return the lines in which two versions of a pack differ, as a unified diff.

    :raises NoSuchRules: when one of them is not there.
    """
    before, after = (_text_of(find(pack, version)).splitlines() for version in (older, newer))
    names = (f"{pack}-{older}", f"{pack}-{newer}")
    return list(difflib.unified_diff(before, after, *names, lineterm=""))


def _text_of(pack: RulePack) -> str:
    package = "shared.instruments" if pack.kind == INSTRUMENT else __package__
    folder = "data" if pack.kind == INSTRUMENT else "packs"
    name = f"{pack.pack.lower()}-{pack.version}.json"
    return resources.files(package).joinpath(folder, name).read_text(encoding="utf-8")
