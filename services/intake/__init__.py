"""Finds out what somebody needs, whether this program is right for them, and sees to it that they can come.

``service.py`` names every way in, ``domain`` holds the rules, ``tables`` what is kept, ``schemas`` what
is said at the door. What a way in does in more than a few steps stands in a module of its own, named for
what is done there:

* the way in: ``inquiring`` (first contact), ``registering`` and ``recognising`` (referrals, who is
  known), ``stepping`` (after an inpatient stay), ``answering`` (instruments, what is due, the status),
  ``rerating`` (withdrawal rated again), ``queueing`` (the waiting list, seats and the clocks of the law);
* what is allowed and told: ``consenting``, ``telling`` (notices, restrictions), ``records`` (legal
  demands, holds, a patient's own record), ``supporting`` (supporters, triggers and tools);
* how people are reached: ``contacting`` (contact points), ``writing`` (messages);
* who pays: ``eligibility`` (payers' answers as they come in), ``covering`` (what they come to,
  authorisations, the ledger of units), ``reserving`` (units that the schedule takes), ``delivering`` (days
  that took place), ``billing`` (which may be billed, and why others may not), ``costing`` (estimates,
  self-pay, sliding fee);
* the program: ``licensing`` (a site's licences), ``directory`` and ``searching`` (listings, imports,
  matches), ``reporting`` and ``teds`` (admissions in the codes of TEDS);
* for all of them: ``finding`` (what a call names, or a refusal), ``asking`` (tasks), ``views`` (answers).
"""
