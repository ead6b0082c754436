"""Drafts tokens and verifies them in one step, which never changes a text."""
