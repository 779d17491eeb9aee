"""Who may act, and the codes that several services share."""

# Staff of the program.
CLINICIAN = "clinician"
COUNSELOR = "counselor"
SUPERVISOR = "supervisor"
MEDICAL_DIRECTOR = "medical_director"
FRONT_DESK = "front_desk"
OPERATIONS = "operations"
# Outside the staff.
PATIENT = "patient"
PARTNER = "partner"
# A service that reacts by itself.
SYSTEM = "system"
# Who is asked besides the roles of people: whoever has the duty, and all of the staff.
ON_CALL = "on_call"
EVERYONE = "everyone"

#: Every role that a token may carry.
ROLES = (
    CLINICIAN,
    COUNSELOR,
    SUPERVISOR,
    MEDICAL_DIRECTOR,
    FRONT_DESK,
    OPERATIONS,
    PATIENT,
    PARTNER,
)

#: Roles of people who treat patients.
CARE_TEAM = (CLINICIAN, COUNSELOR, SUPERVISOR, MEDICAL_DIRECTOR)

#: Credentials of a licensed human who may decide, sign and discharge alone: after state licences.
LICENSED_CREDENTIALS = (
    "LCSW",
    "LPC",
    "LPCC",
    "LMHC",
    "LMFT",
    "PHD",
    "PSYD",
    "LADC",
    "LCADC",
    "RN",
    "NP",
    "PA",
    "MD",
    "DO",
)

#: The credential of licensed therapists, who alone give individual counselling.
THERAPIST_CREDENTIALS = ("LCSW", "LPC", "LPCC", "LMHC", "LMFT", "PHD", "PSYD")
