"""Who answers for patients' privacy, and how soon: what several of their rights have in common."""

from shared.contracts import roles

#: Who does the work of a privacy officer (45 CFR 164.530(a)): asked first, and asked next. Design default.
PRIVACY_OFFICER, PRIVACY_DEPUTY = roles.SUPERVISOR, roles.MEDICAL_DIRECTOR
#: Who may answer what a patient, a court or anybody else asks about records.
PRIVACY_ROLES = (PRIVACY_OFFICER, PRIVACY_DEPUTY)
