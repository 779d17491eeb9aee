"""Prints a report for people: the same figures as the JSON file, in a few tables."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from homeward.simulation.report import counted, late_rows, office_lines

#: How wide the bar of a table is, in characters.
BAR = 28


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print the report to a terminal."""
    console.print()
    console.print(
        Panel(
            Group(
                Text.assemble(
                    (counted(report["referrals"], "referral"), "bold"),
                    " = ",
                    (f"{report['admitted']} admitted", "bold green"),
                    f" + {report['referred_elsewhere']} referred elsewhere + {report['open']} open",
                ),
                Text(
                    f"{counted(report['run']['weeks'], 'week')} of program time, "
                    f"seed {report['run']['seed']}, {counted(report['events_announced'], 'event')}, "
                    f"{counted(report['run']['requests'], 'request')}, "
                    f"{report['wall_seconds']} s",
                    style="dim",
                ),
            ),
            title="Homeward, simulated",
            border_style="green",
        )
    )
    console.print(_funnel(report))
    console.print(_first_contact(report))
    console.print(_instruments(report))
    console.print(_cover(report))
    console.print(_office(report))
    console.print(_attendance(report))
    console.print(_outreach(report))
    console.print(_ends(report))
    console.print(_after(report))
    console.print(_confusion(report))
    console.print(Text(report["placement"]["confusion"]["word"], style="italic dim"))
    for what, times in report["run"]["requests_refused"].items():
        console.print(Text(f"refused {counted(times, 'time')}: {what}", style="yellow"))
    if late := late_rows(report):
        console.print(Text(late, style="yellow"))
    for row in report["rows_refused"]:
        console.print(
            Text(f"line {row['line']}: field {row['field']}: {row['reason']}; not sent", style="yellow")
        )
    console.print(
        Text(
            "Recorded: the codes of the rows. Modelled: everything else, "
            f"{len(report['modelled'])} kinds of it, told in docs/simulation.md.",
            style="dim",
        )
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", header_style="dim")
    return table


def _bar(part: float, whole: float) -> Text:
    filled = round(BAR * part / whole) if whole else 0
    return Text("█" * filled + "·" * (BAR - filled), style="green")


def _funnel(report: Mapping[str, Any]) -> Table:
    table = _table("\nHow far people came", "step", "people", "", "from")
    whole = report["funnel"][0]["people"]
    for step in report["funnel"]:
        table.add_row(step["step"], str(step["people"]), _bar(step["people"], whole), step["kind"])
    return table


def _first_contact(report: Mapping[str, Any]) -> Table:
    found = report["first_contact"]
    table = _table("\nWho asked for help by themselves (modelled delays, measured by the server)", "", "")
    table.add_row("inquiries", str(found["inquiries"]))
    table.add_row("called back within the time promised", str(found["called_back_in_time"]))
    table.add_row("called back later, after the supervisor was asked", str(found["called_back_late"]))
    table.add_row("answered questions before the talk", str(sum(found["pre_screens"].values())))
    return table


def _instruments(report: Mapping[str, Any]) -> Table:
    found = report["instruments"]
    table = _table("\nWhat people answered (modelled answers, paged by the server)", "", "")
    for name, times in found["answered"].items():
        table.add_row(name, str(times))
    table.add_row("answers that tell of danger", str(sum(found["safety_answers"].values())))
    table.add_row("staff were paged about, and were not",
                  f"{found['safety_answers_paged']} / {found['safety_answers_not_paged']}")  # fmt: skip
    return table


def _cover(report: Mapping[str, Any]) -> Table:
    found = report["cover"]
    table = _table("\nWho pays for the admitted (insurance recorded, payers modelled)", "", "")
    for insurance, people in found["insurance"].items():
        table.add_row(insurance, str(people))
    table.add_row(
        "people whose payer authorised days, and denied them", f"{found['authorized']} / {found['denied']}"
    )
    table.add_row("estimates of whoever pays themself, in time and late",
                  f"{found['estimates_given_in_time']} / {found['estimates_given_late']}")  # fmt: skip
    return table


def _office(report: Mapping[str, Any]) -> Table:
    table = _table("\nWhat the office saw to (modelled, told by the server)", "", "")
    for what, number in office_lines(report):
        table.add_row(what, f"{number:,}")
    return table


def _attendance(report: Mapping[str, Any]) -> Table:
    table = _table("\nAttendance by week (modelled)", "week of", "attended", "missed", "share", "")
    for week in report["attendance"]["by_week"]:
        share = week["attended_percent"]
        table.add_row(
            week["starts_on"],
            str(week["attended"]),
            str(week["missed"]),
            "" if share is None else f"{share:.0f} %",
            _bar(share or 0, 100),
        )
    table.add_row("all", str(report["sessions_attended"]), str(report["sessions_missed"]), "", "")
    return table


def _outreach(report: Mapping[str, Any]) -> Table:
    table = _table("\nAfter a missed session (modelled delays, measured by the server)", "", "")
    found = report["outreach"]
    share = found["within_1h"]
    table.add_row("first attempt within an hour", "none missed" if share is None else f"{100 * share:.1f} %")
    median = found["median_minutes_to_first_attempt"]
    table.add_row("median minutes to the first attempt", "none" if median is None else f"{median:g}")
    table.add_row("never attempted", str(found["minutes_to_first_attempt"]["never"]))
    table.add_row("attempts, and how many reached the person",
                  f"{found['attempts']} / {found['attempts_that_reached']}")  # fmt: skip
    return table


def _ends(report: Mapping[str, Any]) -> Table:
    table = _table("\nHow treatment ended", "TEDS reason", "people", "median days")
    for code, reason in report["stays"]["by_reason"].items():
        table.add_row(f"{code} {reason['name']}", str(reason["discharged"]), _days(reason["median_days"]))
    table.add_row("still in treatment", str(report["stays"]["still_in_treatment"]), "")
    national = report["national_2004"]
    table.add_row(
        Text("all (national 2004)", style="dim"),
        str(sum(report["discharged_by_reason"].values())),
        f"{_days(report['median_stay_days'])} ({national['median_stay_days']})",
    )
    return table


def _days(median: float | None) -> str:
    return "none" if median is None else f"{median:g}"


def _after(report: Mapping[str, Any]) -> Table:
    table = _table("\nAfter discharge, and elsewhere", "", "due", "reached or done")
    after = report["aftercare"]
    table.add_row("follow-ups at 7, 30 and 90 days", str(report["follow_ups_due"]),
                  str(report["follow_ups_done"]))  # fmt: skip
    table.add_row("continuing-care calls", str(after["calls"]["due"]), str(after["calls"]["reached"]))
    table.add_row("follow-ups of people referred elsewhere", str(after["referral_follow_ups"]["due"]),
                  str(after["referral_follow_ups"]["done"]))  # fmt: skip
    table.add_row("lapses reported, and re-entries", str(report["lapses_reported"]), str(report["reentries"]))
    return table


def _confusion(report: Mapping[str, Any]) -> Table:
    confusion = report["placement"]["confusion"]
    table = _table(
        "\nRecorded service (down) and level recommended on modelled ratings (across)",
        "", *confusion["columns"],
    )  # fmt: skip
    for service, counts in confusion["rows"].items():
        table.add_row(service, *(str(n) if n else "·" for n in counts))
    return table
