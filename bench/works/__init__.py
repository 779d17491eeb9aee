"""The works that are measured, a module for each kind; each does the same for every system in turn."""
