"""Sends real admissions through Homeward over HTTP, and reports what the program did with them."""
