"""Observability: logs, metrics, traces, and the outcome of each request."""
