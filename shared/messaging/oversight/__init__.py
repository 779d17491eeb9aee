"""What people see of messages, and decide about them; each service answers that by itself, in ``builtin``.

``backlog`` tells how far a service is behind, ``parked`` what waits for a human, ``traces`` what became of an
event or a command; ``pruning`` forgets what is old.
"""
