"""Published curricula as data: a file for each version of a manual, checked when it is loaded.

A file never changes once it was in use: what is mended is a new version beside the old one. Texts of the
manuals are not in here, and titles are our own or neutral; see ``licence`` of each.
"""

import functools
from collections.abc import Mapping
from importlib import resources
from typing import Any

import orjson

from services.scheduling.domain.curricula import MOST_MODULES, MOST_PARTS, Manual, Module, NoSuchManual
from shared.contracts.scheduling import MODALITIES, SKILL_TAGS


class ManualInvalid(ValueError):
    """Raised when a manual's file contradicts itself."""


@functools.cache
def all_manuals() -> Mapping[str, tuple[Manual, ...]]:
    """Return every manual by its code, the versions in order.

    :raises ManualInvalid: when a file contradicts itself.
    """
    found: dict[str, list[Manual]] = {}
    for file in sorted(resources.files(__package__).joinpath("data").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".json"):
            manual = read_manual(file.read_bytes())
            if file.name != f"{manual.manual.lower()}-{manual.version}.json":
                raise ManualInvalid(f"{file.name}: is named for another manual")
            found.setdefault(manual.manual, []).append(manual)
    return {code: tuple(sorted(many, key=lambda one: one.version)) for code, many in found.items()}


def manual_of(code: str) -> Manual:
    """Return the newest version of a manual.

    :raises NoSuchManual: when there is none of that code.
    """
    versions = all_manuals().get(code)
    if not versions:
        raise NoSuchManual(field="manual", rule="one of the manuals that are shipped")
    return versions[-1]


def read_manual(content: bytes) -> Manual:
    """Return the manual that a file holds.

    :raises ManualInvalid: when it contradicts itself.
    """
    told: dict[str, Any] = orjson.loads(content)
    modules = tuple(
        Module(
            module_no=row["module_no"],
            title=row["title"],
            modality=row.get("modality", told["modality"]),
            skill_tags=tuple(row["skill_tags"]),
            parts=row.get("parts", 1),
        )
        for row in told["modules"]
    )
    code = told["manual"]
    if [module.module_no for module in modules] != list(range(1, len(modules) + 1)):
        raise ManualInvalid(f"{code}: modules are numbered from 1 on without a gap")
    if not 1 <= len(modules) <= MOST_MODULES:
        raise ManualInvalid(f"{code}: 1 to {MOST_MODULES} modules")
    for module in modules:
        unknown = {*module.skill_tags} - {*SKILL_TAGS} or {module.modality, told["modality"]} - {*MODALITIES}
        if unknown or not 1 <= module.parts <= MOST_PARTS:
            raise ManualInvalid(f"{code}, module {module.module_no}: {sorted(unknown) or 'parts'}")
    return Manual(
        manual=code,
        version=told["version"],
        title=told["title"],
        modality=told["modality"],
        source=told["source"],
        licence=told["licence"]["terms"],
        titles=told["licence"]["titles"],
        modules=modules,
    )
