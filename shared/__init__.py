"""What every process of Homeward shares.

Rule of admission: a *word* that another process must understand (``contracts``), or *plumbing*
with no noun of the domain in it that at least three services use. Anything else stays with its
service. ``shared`` imports nobody.
"""

import warnings

# eventlet advises new projects against itself; the choice is deliberate and written down in
# docs/decisions, so the advice need not greet every command.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
