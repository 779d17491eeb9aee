"""The level of care after the ASAM Criteria, 4th edition, for adults: codes of sub-dimensions, top down.

It is another algorithm than the 3rd edition's, on other ratings: each code asks for a least level, and
the whole is determined from the top. The two are never mixed or converted. The codes stand in a pack
that ships off: the criteria need a licence, and whoever holds one checks the pack against the text.

A worse code never lowers the level. Taken literally, the steps would, in two places. A psychiatric code
of a higher level, but without a medical need, can come out below the code before it: so a profile gets
the highest level that any milder psychiatric code would give. And a need for 2.5 beside one for 3.1 asks
for 3.5, where a second need for 3.1 would not: here it does.
"""

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

import orjson

from services.intake.domain.placement import Alternative, PackInvalid, Recommendation
from shared.contracts.intake import LEVELS_OF_CARE_4
from shared.errors import InvalidInput

EDITION = "ASAM4"
#: The pack's name.
CODE = "PLACEMENT_ASAM4"

#: Those without medical management or another variant: what is offered instead. Design default.
_LADDER = ("1.0", "1.5", "2.1", "2.5", "3.1", "3.5", "3.7", "4")
#: Needs that are medically managed.
_MEDICAL = ("1.7", "2.7", "3.7")
_OUTPATIENT_LEVELS = ("1.0", "1.5", "1.5COE", "1.7", "1.7COE", "2.1", "2.5", "2.5COE", "2.7", "2.7COE")
_RECOVERY_RESIDENCE = "RECOVERY_RESIDENCE"
#: What is needed whatever the codes say, and why.
_BESIDES = {
    "WITHDRAWAL_GATE": "The withdrawal gate asks for a higher level.",
    "IMMINENT_DANGER": "Somebody means to act on thoughts of suicide.",
}
#: What the withdrawal gate's levels are in this edition: a medical need of an outpatient is level 2.7 here.
_MEDICAL_LEVEL_OF_GATE = {"2.5": "2.7"}


class CodeUnknown(InvalidInput):
    """Raised when a sub-dimension lacks its code, or has one that is not among its own."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one code asks for: a least level, if any, and flags."""

    subdimension: str
    code: str
    level: str | None
    flags: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """The dimension that it is about."""
        return int(self.subdimension[0])

    @property
    def is_beyond_therapy(self) -> bool:
        """Whether it asks for more than outpatient therapy."""
        return self.level not in (None, "1.0", "1.5") or _RECOVERY_RESIDENCE in self.flags

    @property
    def reason(self) -> str:
        """The code of the reason that it is."""
        return self.code if self.code in _BESIDES else f"{self.subdimension}-{self.code}"

    @property
    def text(self) -> str:
        """What it asks for, in a sentence."""
        if self.code in _BESIDES:
            return _BESIDES[self.code]
        asked = f"level {self.level} at least" if self.level else "no level of its own"
        besides = f"; besides: {', '.join(self.flags)}" if self.flags else ""
        return f"{self.subdimension} is rated {self.code}, which asks for {asked}{besides}."


@dataclass(frozen=True, kw_only=True)
class SubdimensionPack:
    """One version of the codes; the codes of each sub-dimension stand highest first."""

    code: str
    version: int
    title: str
    edition: str
    licence: str
    ships_on: bool
    source: str
    needs: Mapping[str, Mapping[str, Need]]
    digest: str

    @property
    def rule_version(self) -> str:
        """The version as it stands on recommendations and decisions."""
        return f"{self.edition}-{self.version}"


def recommend(
    codes: Mapping[str, str],
    *,
    gate_least_level: str | None = None,
    imminent_psychiatric_danger: bool = False,
) -> Recommendation:
    """Return the level that the codes ask for, raised where the withdrawal gate or a danger asks for more.

    ``services`` are asked for beside the level: a recovery residence, medication that goes on.

    :param codes: the code of each sub-dimension.
    :param gate_least_level: the least level of the withdrawal gate, as the 3rd edition calls it.
    :param imminent_psychiatric_danger: somebody means to act on thoughts of suicide.
    :raises CodeUnknown: naming each sub-dimension without a code of its own.
    """
    pack = newest()
    needs = _needs(pack, codes)
    besides = _besides(gate_least_level, imminent_psychiatric_danger=imminent_psychiatric_danger)
    level = _level(pack, codes, besides=besides)
    raising = tuple(
        need
        for need in besides
        if level != _level(pack, codes, besides=tuple(other for other in besides if other is not need))
    )
    deciding = () if raising else _deciding(pack, codes, level)
    decided = raising or tuple(need for need in needs if need.subdimension in deciding)
    flags = {flag for need in needs for flag in need.flags}
    services = sorted(flags - {"BIO", "COE", _RECOVERY_RESIDENCE})
    if _RECOVERY_RESIDENCE in flags and level in _OUTPATIENT_LEVELS:
        services.append(_RECOVERY_RESIDENCE)
    return Recommendation(
        level=level,
        deciding_dimensions=tuple(sorted({need.dimension for need in decided})),
        deciding_subdimensions=deciding,
        reasons=tuple((need.reason, need.text) for need in decided),
        alternatives=_alternatives(level),
        services=tuple(services),
        minor=False,
        rule_version=pack.rule_version,
    )


def dimensions_in_need(codes: Mapping[str, str]) -> tuple[int, ...]:
    """Return the dimensions in which more is needed than outpatient therapy."""
    needs = _needs(newest(), codes)
    return tuple(sorted({need.dimension for need in needs if need.is_beyond_therapy}))


def is_beyond_program(codes: Mapping[str, str]) -> bool:
    """Tell whether dimensions 1 to 3 ask for medical or psychiatric care that level 2.1 has not."""
    return any(need.level is not None and need.dimension <= 3 for need in _needs(newest(), codes))


def _besides(gate_least_level: str | None, *, imminent_psychiatric_danger: bool) -> tuple[Need, ...]:
    """Return what is needed whatever the codes say, as needs among the others."""
    needs = []
    if gate_least_level is not None:
        level = _MEDICAL_LEVEL_OF_GATE.get(gate_least_level, gate_least_level)
        needs.append(Need(subdimension="1B", code="WITHDRAWAL_GATE", level=level))
    if imminent_psychiatric_danger:
        needs.append(Need(subdimension="3A", code="IMMINENT_DANGER", level="4PSYCH"))
    return tuple(needs)


def _level(pack: SubdimensionPack, codes: Mapping[str, str], *, besides: tuple[Need, ...] = ()) -> str:
    """Return the level of a profile: the highest with its own psychiatric code or a milder one."""
    return max((_level_of([*needs, *besides]) for needs in _milder(pack, codes)), key=LEVELS_OF_CARE_4.index)


def _milder(pack: SubdimensionPack, codes: Mapping[str, str]) -> Iterator[list[Need]]:
    """Return the needs of the profile, and of those with a milder psychiatric code."""
    # Of all sub-dimensions only 3A orders its codes so that a higher one can lack a medical need.
    for code in _from(pack, "3A", codes["3A"]):
        yield _needs(pack, {**codes, "3A": code})


def _from(pack: SubdimensionPack, subdimension: str, code: str) -> list[str]:
    listed = list(pack.needs[subdimension])
    return listed[listed.index(code) :]


def _level_of(needs: list[Need]) -> str:
    """Determine the level from the top; steps S1 to S5 of the source."""
    levels = {need.level for need in needs if need.level}
    coe = any("COE" in need.flags for need in needs)
    bio = any("BIO" in need.flags for need in needs)
    if "4" in levels or (bio and coe):
        return "4"
    if "4PSYCH" in levels:
        return "4PSYCH"
    level = _without_variants([need.level for need in needs if need.level])
    if level == "3.7" and bio:
        return "3.7BIO"
    if not coe:
        return level
    # Levels 1.0, 2.1 and 3.1 have no variant for co-occurring conditions.
    return {"1.0": "1.5", "2.1": "2.5", "3.1": "3.5"}.get(level, level) + "COE"


def _without_variants(levels: list[str]) -> str:
    if any(level in _MEDICAL for level in levels):
        if any(level.startswith("3") for level in levels):
            return "3.7"
        return "2.7" if any(level.startswith("2") for level in levels) else "1.7"
    # The source asks for 3.5 where another sub-dimension needs 2.5. One that needs 3.1 needs no less.
    strong = [level for level in levels if level in ("2.5", "3.1", "3.5")]
    if any(level.startswith("3") for level in strong):
        return "3.5" if "3.5" in strong or len(strong) > 1 else "3.1"
    return next((level for level in ("2.5", "2.1", "1.5") if level in levels), "1.0")


def _deciding(pack: SubdimensionPack, codes: Mapping[str, str], level: str) -> tuple[str, ...]:
    """Return the sub-dimensions without whose code the level would be lower."""
    found = []
    for subdimension in pack.needs:
        mildest = list(pack.needs[subdimension])[-1]
        lower = _level(pack, {**codes, subdimension: mildest})
        if LEVELS_OF_CARE_4.index(lower) < LEVELS_OF_CARE_4.index(level):
            found.append(subdimension)
    # Where two ask for the same level, neither decides alone: all that ask for something do.
    return tuple(found) or tuple(need.subdimension for need in _needs(pack, codes) if need.level)


def _alternatives(level: str) -> tuple[Alternative, ...]:
    place = LEVELS_OF_CARE_4.index(level)
    higher = [one for one in _LADDER if LEVELS_OF_CARE_4.index(one) > place]
    lower = [one for one in _LADDER if LEVELS_OF_CARE_4.index(one) < place]
    others = [Alternative(level=one, code="WHEN_MORE_IS_NEEDED") for one in higher[:1]]
    return (*others, *(Alternative(level=one, code="WHEN_STABLE") for one in lower[-1:]))


def _needs(pack: SubdimensionPack, codes: Mapping[str, str]) -> list[Need]:
    problems = tuple(
        {"field": f"subdimensions.{name}", "rule": f"one of {', '.join(known)}"}
        for name, known in pack.needs.items()
        if codes.get(name) not in known
    )
    if problems or set(codes) - set(pack.needs):
        raise CodeUnknown(
            "The codes are not those of the 4th edition.",
            problems=problems or ({"field": "subdimensions", "rule": f"codes of {', '.join(pack.needs)}"},),
        )
    return [known[codes[name]] for name, known in pack.needs.items()]


def every_code(subdimension: str) -> tuple[str, ...]:
    """Return the codes of a sub-dimension, highest first."""
    return tuple(newest().needs[subdimension])


# --- The packs --------------------------------------------------------------------------------------


@functools.cache
def newest() -> SubdimensionPack:
    """Return the newest version of the codes."""
    found = [
        read_pack(file.read_bytes())
        for file in resources.files(__package__).joinpath("packs").iterdir()
        if file.name.startswith(f"{CODE.lower()}-")
    ]
    return max(found, key=lambda pack: pack.version)


def read_pack(content: bytes) -> SubdimensionPack:
    """Read a pack from JSON and check it.

    :raises PackInvalid: when something is missing, or a code asks for a level that is not there.
    """
    try:
        told = orjson.loads(content)
        pack = SubdimensionPack(
            code=told["code"],
            version=told["version"],
            title=told["title"],
            edition=told["edition"],
            licence=told["licence"]["terms"],
            ships_on=told["licence"]["ships_on"],
            source=told["source"],
            needs={
                name: {
                    code: Need(
                        subdimension=name,
                        code=code,
                        level=need["level"],
                        flags=tuple(need.get("flags", ())),
                    )
                    for code, need in known.items()
                }
                for name, known in told["subdimensions"].items()
            },
            digest=hashlib.sha256(content).hexdigest(),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PackInvalid(f"cannot be read: {error!r}") from error
    levels = {need.level for known in pack.needs.values() for need in known.values()} - {None}
    if not levels <= set(LEVELS_OF_CARE_4):
        raise PackInvalid(f"{pack.rule_version}: a code asks for a level that is not there")
    return pack
