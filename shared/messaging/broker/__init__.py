"""The way between processes: RabbitMQ, or a broker of our own inside one process, with the same promises.

``topology`` says what exists on it, ``rabbit`` and ``memory`` are the two brokers. ``links`` are connections
that heal by themselves, ``asking`` carries commands and questions over them, ``together`` several at once.
"""
