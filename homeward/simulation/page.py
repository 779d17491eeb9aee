"""Writes the report as one page of HTML that asks nothing from any other place."""

import html
from collections.abc import Iterable, Mapping
from typing import Any

from homeward.simulation import plots
from homeward.simulation.report import counted, late_rows, office_lines

_CSS = """
:root { --ink:#1f2a37; --muted:#66717e; --line:#e4e8ec; --paper:#fbfaf7; --card:#fff; --teal:#0f766e;
  --sand:#e0b458; --brick:#b4532a; }
* { box-sizing:border-box }
body { margin:0; background:var(--paper); color:var(--ink);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif }
main { max-width:1120px; margin:0 auto; padding:0 28px 64px }
header { background:linear-gradient(120deg,#0b4f4a,#0f766e 60%,#3b8f77); color:#fff; padding:44px 0 88px }
header div { max-width:1120px; margin:0 auto; padding:0 28px }
h1 { font-size:34px; line-height:1.15; margin:0 0 8px; letter-spacing:-.01em }
header p { margin:0; max-width:70ch; opacity:.92 }
h2 { font-size:20px; margin:0 0 4px; letter-spacing:-.005em }
.note { color:var(--muted); font-size:14px; margin:0 0 12px; max-width:80ch }
.figures { display:grid; grid-template-columns:repeat(auto-fit,minmax(150px,1fr)); gap:12px;
  margin-top:-56px }
.figure,.card { background:var(--card); border:1px solid var(--line); border-radius:14px;
  box-shadow:0 1px 2px rgba(31,42,55,.05) }
.figure { padding:16px }
.figure b { display:block; white-space:nowrap; font-size:25px; line-height:1.15;
  font-variant-numeric:tabular-nums }
.figure span { color:var(--muted); font-size:14px }
.card { padding:22px 24px; margin-top:18px; overflow-x:auto }
.pair { display:grid; grid-template-columns:repeat(auto-fit,minmax(460px,1fr)); gap:18px }
.pair .card { margin-top:18px }
svg { width:100%; height:auto; display:block }
svg text { font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif !important }
.tag { display:inline-block; font-size:12px; font-weight:600; border-radius:99px; padding:1px 10px;
  vertical-align:middle; margin-left:6px; white-space:nowrap }
.recorded { background:var(--teal); color:#fff }
.modelled { color:var(--teal); border:1px solid var(--teal);
  background:repeating-linear-gradient(135deg,#d9ebe8 0 4px,#fff 4px 8px) }
.modelled i { font-style:normal; background:#fff; padding:0 3px; border-radius:4px }
.measured { background:#eef1f4; color:var(--ink) }
.legend { display:flex; flex-wrap:wrap; gap:10px 26px; font-size:14px; color:var(--muted); margin-top:18px }
table { border-collapse:collapse; width:100%; font-size:14px; font-variant-numeric:tabular-nums }
th,td { text-align:right; padding:6px 10px; border-bottom:1px solid var(--line) }
th:first-child,td:first-child { text-align:left; padding-left:0 }
th { color:var(--muted); font-weight:600 }
.word { border-left:4px solid var(--sand); padding:4px 0 4px 16px; color:var(--ink); font-size:15px;
  max-width:85ch; margin:14px 0 0 }
details { margin-top:8px; font-size:14px; color:var(--muted) }
summary { cursor:pointer }
code { font:13px/1.4 ui-monospace,SFMono-Regular,Menlo,monospace; background:#f1f3f5; padding:1px 5px;
  border-radius:5px; display:inline-block; margin:2px 2px 2px 0 }
footer { color:var(--muted); font-size:13px; margin-top:26px }
@media (max-width:560px) { .pair { grid-template-columns:1fr } h1 { font-size:27px } }
@media print { .card,.figure { break-inside:avoid } }
"""

_SAMPLE_NOTE = """The sample keeps only rows in which every field is filled, so it is no random sample: use it
as realistic input, never for estimates."""
_SAMPLE_SOURCE = "SAMHSA, Treatment Episode Data Set, admissions 2017; public domain"

_RECORDED = '<span class="tag recorded">recorded</span>'
_MODELLED = '<span class="tag modelled"><i>modelled</i></span>'


def render(report: Mapping[str, Any]) -> str:
    """Render the report as a whole, self-contained page."""
    run = report["run"]
    days = f"{run['starts_at'][:10]} to {run['ended_at'][:10]}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Homeward: {counted(report["referrals"], "referral")} through {counted(run["weeks"], "week")}</title>
<style>{_CSS}</style>
</head>
<body>
<header><div>
<h1>{counted(report["referrals"], "person", "people")} referred, {counted(run["weeks"], "week")} of
intensive outpatient care</h1>
<p>Every figure on this page was counted from what the server announced while
{"real, de-identified " if run["of_sample"] else ""}admissions went through it over HTTP.
What the rows do not tell was drawn from a model, so this page shows how the program works, and nothing
about what treatment achieves.</p>
</div></header>
<main>
{_figures(report)}
<p class="legend"><span>{_RECORDED} solid: from the rows of {_text(run["file"])}</span>
<span>{_MODELLED} hatched: drawn by the model, seed {run["seed"]}, then decided and timed by the server</span>
<span>program time {days}, {_text(run["time_zone"])}</span></p>
<section class="card"><h2>How far people came {_MODELLED}</h2>
<p class="note">From the recorded rows on top, through modelled assessments and attendance, to graduation.
{_elsewhere_note(report)} {_first_contact_note(report)}</p>
{_plot("Funnel from referral to graduation", plots.funnel(report["funnel"]))}</section>
<div class="pair">
<section class="card"><h2>Attendance by week {_MODELLED}</h2>
<p class="note">Patient-sessions attended and missed; the line is the share attended. Excused and
cancelled sessions are in neither.</p>
{_plot("Attendance by week", plots.attendance(report["attendance"]["by_week"]))}
{_attendance_table(report)}</section>
<section class="card"><h2>From a missed session to the first attempt {_MODELLED}</h2>
<p class="note">{_outreach_note(report)}</p>
{_plot("Time to first outreach attempt", plots.outreach(report["outreach"]["minutes_to_first_attempt"]))}
</section>
</div>
<div class="pair">
<section class="card"><h2>Length of stay {_MODELLED}</h2>
<p class="note">Days from admission to the last contact, as TEDS counts them, of those discharged.
{_still_there_note(report)}</p>
{_plot("Length of stay", _stays_plot(report))}</section>
<section class="card"><h2>How treatment ended {_MODELLED}</h2>
<p class="note">TEDS reasons. The shares on the right are national, of 2004, and shaped the model: likeness
to them is no finding.</p>
{_ends_table(report)}</section>
</div>
<section class="card"><h2>Where people were treated {_RECORDED} and what was recommended {_MODELLED}</h2>
<p class="note">Rows: SERVICES as recorded. Columns: level of care recommended by the rules, ASAM criteria,
3rd edition. {_overrides_note(report)}</p>
{_confusion_table(report)}
<p class="word">{_text(report["placement"]["confusion"]["word"])}</p></section>
<div class="pair">
<section class="card"><h2>Does the program fit? {_MODELLED}</h2>
<p class="note">The six fit factors at first assessment. Fit never turns anybody away: a clinician looks.</p>
{_fit_table(report)}</section>
<section class="card"><h2>Weeks that fit a life {_MODELLED}</h2>
<p class="note">Each week has the hours of the level and meets no obligation, with the way there and back.
Every seat was checked against what its patient declared. Wishes are those of the patients and of the
treatment plans.</p>
{_weeks_table(report)}</section>
<section class="card"><h2>Who pays {_RECORDED} and what was decided {_MODELLED}</h2>
<p class="note">Insurance of the admitted, as recorded. Payers and prices are modelled; whoever pays themself
is owed an estimate in good faith, by a day that the server works out.</p>
{_cover_table(report)}</section>
<section class="card"><h2>What the office saw to {_MODELLED}</h2>
<p class="note">Which days may be billed, and why others may not, is the server's judgement; notes are signed
on groups only. A few people do what would cost too many requests with all.</p>
{_office_table(report)}</section>
<section class="card"><h2>What people answered {_MODELLED}</h2>
<p class="note">Answers to screening instruments are drawn. What an answer about danger sets off is the
server's: it is announced with the answer, and staff are paged.</p>
{_instruments_table(report)}</section>
<section class="card"><h2>Afterwards {_MODELLED}</h2>
<p class="note">Silence is never counted as success: only people who were spoken to are.</p>
{_after_table(report)}</section>
</div>
<section class="card"><h2>What is recorded, what is modelled</h2>
<p class="note">{_SAMPLE_NOTE if run["of_sample"] else ""} The people here are invented around the rows.</p>
<p>{_RECORDED} {_codes(report["recorded"])}</p>
<p>{_MODELLED} {_codes(report["modelled"])}</p>
<p class="note">{late_rows(report)}</p>
{_rows_refused(report)}</section>
<footer>{counted(report["events_announced"], "event")} announced, {report["events_parked"]} parked;
{counted(run["requests"], "request")} and {counted(run["clock_jumps"], "jump")} of the program clock.
Data: {_SAMPLE_SOURCE if run["of_sample"] else _text(run["file"])}.</footer>
</main>
</body>
</html>
"""


def _figures(report: Mapping[str, Any]) -> str:
    within = report["outreach_within_1h"]
    attended, missed = report["sessions_attended"], report["sessions_missed"]
    held, stay = attended + missed, report["median_stay_days"]
    shown = (
        (f"{report['admitted']}", f"admitted of {counted(report['referrals'], 'referral')}"),
        (f"{report['graduated']}", "graduated"),
        (f"{100 * attended / held:.0f} %", f"of sessions attended ({attended:,} of {held:,})")
        if held
        else ("none", "attended, and none missed"),
        ("none", "missed")
        if within is None
        else (f"{100 * within:.0f} %", "of misses followed within an hour"),
        ("nobody", "discharged") if stay is None else (f"{stay:g} d", "median stay of those discharged"),
        (f"{report['follow_ups_done']} / {report['follow_ups_due']}", "follow-ups reached / due"),
    )
    cards = "".join(f'<div class="figure"><b>{value}</b><span>{label}</span></div>' for value, label in shown)
    return f'<div class="figures">{cards}</div>'


def _plot(title: str, svg: str) -> str:
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)


def _stays_plot(report: Mapping[str, Any]) -> str:
    return plots.stays(
        report["stays"]["by_reason"], national_median=report["national_2004"]["median_stay_days"]
    )


def _elsewhere_note(report: Mapping[str, Any]) -> str:
    people = report["referred_elsewhere"]
    if not people:
        return ""
    return (
        f"Not everybody needs this program: {counted(people, 'person was', 'people were')} referred to the "
        "level of care they need, and asked after at 48 hours and 7 days."
    )


def _first_contact_note(report: Mapping[str, Any]) -> str:
    found = report["first_contact"]
    if not found["inquiries"]:
        return "Nobody asked for help by themselves."
    in_time, late = found["called_back_in_time"], found["called_back_late"]
    never = found["inquiries"] - in_time - late
    return (
        f"{counted(found['inquiries'], 'person', 'people')} asked for help by themselves; called back within "
        f"the time promised: {in_time}, later: {late}{f', not by the end: {never}' if never else ''}."
    )


def _outreach_note(report: Mapping[str, Any]) -> str:
    found = report["outreach"]
    median = found["median_minutes_to_first_attempt"]
    if not found["missed_sessions"]:
        return "Nobody missed a session."
    missed = counted(found["missed_sessions"], "session was", "sessions were")
    if median is None:
        return f"{missed} missed, and nobody had tried to reach them by the end."
    attempted = found["missed_sessions"] - found["minutes_to_first_attempt"]["never"]
    first = "the first attempt" if attempted == 1 else "half of the first attempts"
    return (
        f"{missed} missed; {first} came within {median:g} min. The delays are drawn, "
        "the clock that measures them is the server's; a miss that nobody followed up counts against."
    )


def _still_there_note(report: Mapping[str, Any]) -> str:
    people = report["stays"]["still_in_treatment"]
    if not people:
        return "Nobody was still in treatment at the end."
    return f"Still in treatment at the end, and not shown: {counted(people, 'person', 'people')}."


def _overrides_note(report: Mapping[str, Any]) -> str:
    placement = report["placement"]
    if not placement["decisions"]:
        return "Nobody's level was decided."
    return (
        f"{placement['overridden'] or 'None'} of {counted(placement['decisions'], 'decision')} went against "
        "the recommendation, by clinicians who override at a stated rate."
    )


def _rows_refused(report: Mapping[str, Any]) -> str:
    refused = report["rows_refused"]
    if not refused:
        return ""
    table = _table(
        ("Line", "Field", "Reason"), ((row["line"], row["field"], row["reason"]) for row in refused)
    )
    rows = counted(len(refused), "row was", "rows were")
    return f"<details><summary>{rows} refused, and not sent</summary>{table}</details>"


def _attendance_table(report: Mapping[str, Any]) -> str:
    rows = (
        (week["starts_on"], week["scheduled"], week["attended"], week["missed"],
         "" if week["attended_percent"] is None else f"{week['attended_percent']} %")
        for week in report["attendance"]["by_week"]
    )  # fmt: skip
    table = _table(("Week of", "Scheduled", "Attended", "Missed", "Share"), rows)
    return f"<details><summary>The figures</summary>{table}</details>"


def _ends_table(report: Mapping[str, Any]) -> str:
    national = report["national_2004"]["ends_percent"]
    shares = {"1": "completed", "2": "dropped_out", "3": "terminated", "4": "transferred", "7": "other"}
    total = sum(report["discharged_by_reason"].values())
    rows = [
        (
            f"{code} {reason['name']}",
            reason["discharged"],
            f"{100 * reason['discharged'] / total:.0f} %" if total else "",
            "" if reason["median_days"] is None else f"{reason['median_days']:g}",
            f"{national[shares[code]]} %" if code in shares else "in 7",
        )
        for code, reason in report["stays"]["by_reason"].items()
    ]
    rows.append(("Still in treatment", report["stays"]["still_in_treatment"], "", "", ""))
    return _table(("TEDS reason", "People", "Share", "Median days", "National 2004"), rows)


def _confusion_table(report: Mapping[str, Any]) -> str:
    confusion = report["placement"]["confusion"]
    rows = ((service, *(n or "·" for n in counts)) for service, counts in confusion["rows"].items())
    return _table(("SERVICES, as recorded", *confusion["columns"]), rows)


def _fit_table(report: Mapping[str, Any]) -> str:
    rows = (
        (factor.replace("_", " ").capitalize(), counts["MET"], counts["CONDITIONAL"], counts["NOT_MET"])
        for factor, counts in report["fit_factors"].items()
    )
    return _table(("Factor", "Met", "With conditions", "Not met"), rows)


def _weeks_table(report: Mapping[str, Any]) -> str:
    found = report["weekly_plans"]
    hours = found["hours"]
    rows = [
        ("Admitted", found["admitted"]),
        ("Got a week", found["with_a_week"]),
        ("… that meets every obligation", found["meeting_every_obligation"]),
        ("… that the patient agreed to", found["agreed_to"]),
        *((f"No week: {reason or 'not yet'}", number) for reason, number in found["without_a_week"].items()),
        (
            "Hours a week: least, median, most",
            f"{hours['least']}, {hours['median']}, {hours['most']}" if found["with_a_week"] else "none",
        ),
        ("All wishes met", found["all_wishes_met"]),
        *((f"Not met: {one['wish']}, {one['reason']}", one["weeks"]) for one in found["wishes_not_met"]),
        *((f"Without a workshop: {reason}", number) for reason, number in found["without_workshop"].items()),
        *(
            (f"Graduates who completed: {title}", number)
            for title, number in report["attendance"]["modules_completed_by_graduates"].items()
        ),
    ]
    return _table(("", "People"), rows)


def _office_table(report: Mapping[str, Any]) -> str:
    return _table(("", "Number"), office_lines(report))


def _cover_table(report: Mapping[str, Any]) -> str:
    found = report["cover"]
    rows = (
        *found["insurance"].items(),
        ("Admitted whose payer authorised days", found["authorized"]),
        ("… denied them", found["denied"]),
        ("Days authorised", found["days_authorized"]),
        ("Estimates given in time", found["estimates_given_in_time"]),
        ("… late, after the supervisor was asked", found["estimates_given_late"]),
    )
    return _table(("", "Number"), rows)


def _instruments_table(report: Mapping[str, Any]) -> str:
    found = report["instruments"]
    rows = (
        *((f"{name} answered", times) for name, times in found["answered"].items()),
        ("Answers that tell of danger", sum(found["safety_answers"].values())),
        ("… of which staff were paged", found["safety_answers_paged"]),
        ("… of which nobody was", found["safety_answers_not_paged"]),
    )
    return _table(("", "Number"), rows)


def _after_table(report: Mapping[str, Any]) -> str:
    after = report["aftercare"]
    outcomes = after["follow_ups"]["outcomes"]
    escalations = sum(report["escalations_by_level"].values())
    rows = (
        ("Follow-ups due", report["follow_ups_due"]),
        ("… reached", outcomes["REACHED"]),
        ("… lost, refused, deceased", outcomes["LOST"] + outcomes["REFUSED"] + outcomes["DECEASED"]),
        ("… window still open", outcomes["OPEN"]),
        ("Continuing-care calls due / reached", f"{after['calls']['due']} / {after['calls']['reached']}"),
        ("Referred elsewhere: follow-ups due / done",
         f"{after['referral_follow_ups']['due']} / {after['referral_follow_ups']['done']}"),
        ("Lapses reported", report["lapses_reported"]),
        ("Came back after a lapse", report["reentries"]),
        ("Escalations opened", escalations),
        ("Pages to staff, none of them sent", report["events_by_kind"].get("staff_paged", 0)),
    )  # fmt: skip
    return _table(("", "Number"), rows)


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _codes(names: Iterable[str]) -> str:
    return " ".join(f"<code>{_text(name)}</code>" for name in names)


def _text(value: Any) -> str:
    return html.escape(str(value))
