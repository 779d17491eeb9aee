"""What every process of Homeward shares.

Rule of admission: a *word* that another process must understand (``contracts``), or *plumbing*
with no noun of the domain in it that at least three services use. Anything else stays with its
service. ``shared`` imports nobody.
"""
