"""What is asked of monitoring: treatment plans, check-ins, risk, outreach, dangers, and who has the duty."""

from gateway import dangers
from gateway.forwarding import command, question
from gateway.routing import PLAN, SERVICE_GUARDS, WITHHELD
from services.monitoring import schemas as monitoring


class MonitoringRoutes:
    """The routes to monitoring."""

    get_earlier_plan = question(
        "/v1/episodes/{episode_id}/earlier-plan",
        monitoring.GetEarlierPlan,
        monitoring.EarlierPlan,
        scope="treatment-plans:read",
        patients=SERVICE_GUARDS,
        information=PLAN,
    )
    get_treatment_plan = question(
        "/v1/episodes/{episode_id}/treatment-plan",
        monitoring.GetTreatmentPlan,
        monitoring.TreatmentPlan,
        scope="treatment-plans:read",
        patients=SERVICE_GUARDS,
        information=PLAN,
    )
    sign_treatment_plan = command(
        "/v1/treatment-plans/{plan_id}/signatures",
        monitoring.SignTreatmentPlan,
        monitoring.TreatmentPlan,
        scope="treatment-plans:write",
        patients=SERVICE_GUARDS,
        information=PLAN,
    )
    submit_check_in = command(
        "/v1/episodes/{episode_id}/check-ins",
        monitoring.SubmitCheckIn,
        monitoring.CheckIn,
        scope="check-ins:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
        hears=dangers.hear,
    )
    get_check_in_form = question(
        "/v1/episodes/{episode_id}/check-in-form",
        monitoring.GetCheckInForm,
        monitoring.CheckInForm,
        scope="check-ins:read",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
    )
    get_risk = question(
        "/v1/episodes/{episode_id}/risk",
        monitoring.GetRisk,
        monitoring.Risk,
        scope="risk:read",
        information=WITHHELD,
    )
    list_outreach = question(
        "/v1/outreach",
        monitoring.ListOutreach,
        monitoring.Outreaches,
        many=True,
        scope="outreach:read",
        information=WITHHELD,
    )
    get_outreach = question(
        "/v1/outreach/{outreach_id}",
        monitoring.GetOutreach,
        monitoring.Outreach,
        scope="outreach:read",
        information=WITHHELD,
    )
    log_outreach_attempt = command(
        "/v1/outreach/{outreach_id}/attempts",
        monitoring.LogOutreachAttempt,
        monitoring.Outreach,
        scope="outreach:write",
        information=WITHHELD,
    )
    order_drug_testing = command(
        "/v1/episodes/{episode_id}/drug-testing-orders",
        monitoring.OrderDrugTesting,
        monitoring.DrugTestingOrder,
        scope="drug-tests:write",
        information=WITHHELD,
    )
    end_drug_testing = command(
        "/v1/drug-testing-orders/{order_id}/end",
        monitoring.EndDrugTesting,
        monitoring.DrugTestingOrder,
        status=200,
        scope="drug-tests:write",
        information=WITHHELD,
    )
    get_drug_testing = question(
        "/v1/episodes/{episode_id}/drug-testing",
        monitoring.GetDrugTesting,
        monitoring.DrugTesting,
        scope="drug-tests:read",
        information=WITHHELD,
    )
    record_drug_test = command(
        "/v1/drug-tests/{test_id}/outcome",
        monitoring.RecordDrugTest,
        monitoring.RecordedDrugTest,
        scope="drug-tests:write",
        information=WITHHELD,
        hears=dangers.hear,
    )
    raise_safety_concern = command(
        "/v1/safety-concerns",
        monitoring.RaiseSafetyConcern,
        monitoring.Escalation,
        scope="safety-concerns:write",
        patients=SERVICE_GUARDS,
        information=WITHHELD,
        hears=dangers.hear,
    )
    list_escalations = question(
        "/v1/escalations",
        monitoring.ListEscalations,
        monitoring.Escalations,
        many=True,
        scope="escalations:read",
        information=WITHHELD,
    )
    get_escalation = question(
        "/v1/escalations/{escalation_id}",
        monitoring.GetEscalation,
        monitoring.Escalation,
        scope="escalations:read",
        information=WITHHELD,
    )
    acknowledge_escalation = command(
        "/v1/escalations/{escalation_id}/acknowledgement",
        monitoring.AcknowledgeEscalation,
        monitoring.Escalation,
        status=200,
        scope="escalations:write",
        information=WITHHELD,
    )
    close_escalation = command(
        "/v1/escalations/{escalation_id}/closure",
        monitoring.CloseEscalation,
        monitoring.Escalation,
        status=200,
        scope="escalations:write",
        information=WITHHELD,
    )

    keep_staff_contact = command(
        "/v1/staff-contacts",
        monitoring.KeepStaffContact,
        monitoring.StaffContact,
        scope="staff-contacts:write",
    )
    list_staff_contacts = question(
        "/v1/staff-contacts",
        monitoring.ListStaffContacts,
        monitoring.StaffContact,
        many=True,
        scope="staff-contacts:read",
    )
    plan_on_call_shift = command(
        "/v1/on-call-shifts", monitoring.PlanOnCallShift, monitoring.OnCallShift, scope="on-call-shifts:write"
    )
    list_on_call_shifts = question(
        "/v1/on-call-shifts",
        monitoring.ListOnCallShifts,
        monitoring.OnCallShift,
        many=True,
        scope="on-call-shifts:read",
    )
    withdraw_on_call_shift = command(
        "/v1/on-call-shifts/{shift_id}/withdrawal",
        monitoring.WithdrawOnCallShift,
        monitoring.OnCallShift,
        status=200,
        scope="on-call-shifts:write",
    )
    list_on_call_gaps = question(
        "/v1/on-call-gaps",
        monitoring.ListOnCallGaps,
        monitoring.OnCallGap,
        many=True,
        scope="on-call-shifts:read",
    )
