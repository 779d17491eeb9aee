"""Builds a week that fits around work, school and family, and knows who came."""
