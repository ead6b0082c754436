"""What the service reports of itself: logs, metrics, traces, and the outcome of each request."""
