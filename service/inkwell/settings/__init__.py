"""The configuration of a start: every setting once, and the parsers of their values."""
