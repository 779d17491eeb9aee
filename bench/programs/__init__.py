"""Homeward's side of the bench: small services on its own messaging, each in a process."""
