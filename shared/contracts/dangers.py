"""Which answers of a check-in tell of a danger: where monitoring is away, the gateway hears them as well."""

#: Substances whose return to use can kill after abstinence: opioids, benzodiazepines, unknown pills,
#: and stimulants, which are likely to hold fentanyl. Safety rule: E3 at once, weekends included.
LETHAL_RETURN = ("OPIOID", "SEDATIVE", "UNKNOWN", "COCAINE", "STIMULANT")


def concerns_of(*, danger: bool | None, used: bool, substance: str | None) -> list[tuple[str, str]]:
    """Return the safety concerns that the answers of a check-in raise, each with its level."""
    found = []
    if danger:
        found.append(("DANGER_ANSWER", "E4"))
    if used and substance in LETHAL_RETURN:
        found.append(("RETURN_TO_USE", "E3"))
    return found
