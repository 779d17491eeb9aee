"""The rules of monitoring, one module a concept."""
