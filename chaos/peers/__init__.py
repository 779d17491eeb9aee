"""Other frameworks under the same faults, with their defaults, in an environment of their own."""
