"""Guessing tokens ahead and verifying them in one step, which never changes a text."""
