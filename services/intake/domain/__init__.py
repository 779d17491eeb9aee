"""The rules of intake, one module a concept.

``sites`` and ``people`` say where and who; ``episodes`` is one stretch of care from the referral
on. ``withdrawal``, ``diagnoses``, ``placement`` and ``fit`` judge what an ``assessments`` holds;
``decisions``, ``consents`` and ``admissions`` lead into the program, ``outward`` out of it.
``reviews``, ``reentries`` and ``tasks`` ask people to look again; ``obligations`` is a copy.
"""
