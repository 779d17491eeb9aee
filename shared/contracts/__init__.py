"""Every word that services say to each other: one module for each announcing service."""
