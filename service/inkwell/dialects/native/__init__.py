"""`/text-generate`, the service's own endpoint."""
