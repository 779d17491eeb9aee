"""Faults from outside, against a whole house of real processes; ``python -m chaos`` runs them all.

A driver sends commands over HTTP and keeps a ledger of every answer. Processes, broker, database and
the network between them are broken meanwhile, one kind of fault after the other. In the end the
ledger is compared with what every service did: by the feed over HTTP, and by SQL.
"""
