"""What is asked of aftercare: graduation and discharge, plans, calls and lapses afterwards."""

from gateway import dangers
from gateway.forwarding import command, question
from gateway.routing import ABOUT_NOBODY, DISCHARGE, PLAN, SERVICE_GUARDS, WITHHELD
from services.aftercare import schemas as aftercare


class AftercareRoutes:
    """The routes to aftercare."""

    get_graduation = question(
        "/v1/episodes/{episode_id}/graduation",
        aftercare.GetGraduation,
        aftercare.Graduation,
        scope="discharges:read",
        information=DISCHARGE,
    )
    attest_criterion = command(
        "/v1/episodes/{episode_id}/attestations",
        aftercare.AttestCriterion,
        aftercare.Graduation,
        scope="discharges:write",
        information=DISCHARGE,
    )
    graduate_patient = command(
        "/v1/episodes/{episode_id}/graduation",
        aftercare.GraduatePatient,
        aftercare.Discharge,
        scope="discharges:write",
        information=DISCHARGE,
    )
    discharge_patient = command(
        "/v1/episodes/{episode_id}/discharge",
        aftercare.DischargePatient,
        aftercare.Discharge,
        scope="discharges:write",
        information=DISCHARGE,
    )
    get_discharge = question(
        "/v1/discharges/{discharge_id}",
        aftercare.GetDischarge,
        aftercare.Discharge,
        scope="discharges:read",
        information=DISCHARGE,
    )
    list_discharge_proposals = question(
        "/v1/discharge-proposals",
        aftercare.ListDischargeProposals,
        aftercare.DischargeProposal,
        many=True,
        scope="discharges:read",
        information=WITHHELD,
    )
    write_aftercare_plan = command(
        "/v1/episodes/{episode_id}/aftercare-plan",
        aftercare.WriteAftercarePlan,
        aftercare.AftercarePlan,
        scope="aftercare:write",
        information=PLAN,
    )
    get_aftercare_plan = question(
        "/v1/episodes/{episode_id}/aftercare-plan",
        aftercare.GetAftercarePlan,
        aftercare.AftercarePlan,
        scope="aftercare:read",
        patients=SERVICE_GUARDS,
        information=PLAN,
    )
    list_aftercare_contacts = question(
        "/v1/episodes/{episode_id}/aftercare-contacts",
        aftercare.ListAftercareContacts,
        aftercare.AftercareContact,
        many=True,
        scope="aftercare:read",
        information=WITHHELD,
    )
    record_contact_attempt = command(
        "/v1/aftercare-contacts/{contact_id}/attempts",
        aftercare.RecordContactAttempt,
        aftercare.ContactAttempt,
        scope="aftercare:write",
        information=WITHHELD,
        hears=dangers.hear,
    )
    # The receipt is the same whoever it is about, so it tells an outside reporter nothing.
    report_lapse = command(
        "/v1/lapses",
        aftercare.ReportLapse,
        aftercare.LapseReceipt,
        scope="lapses:write",
        patients=SERVICE_GUARDS,
        information=ABOUT_NOBODY,
        hears=dangers.hear,
    )
    get_lapse = question(
        "/v1/lapses/{lapse_id}",
        aftercare.GetLapse,
        aftercare.Lapse,
        scope="lapses:read",
        information=WITHHELD,
    )
