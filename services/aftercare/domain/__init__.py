"""The rules of aftercare, a module a concept."""
