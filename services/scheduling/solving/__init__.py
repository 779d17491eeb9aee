"""Finding weeks in a process of its own: the solver is large, and while it thinks nothing else runs."""
