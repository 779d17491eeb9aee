"""Real admissions, and the part of the code book that the simulation's model needs: data only."""
