"""Access control: API keys and scopes, quotas, the limit on concurrent requests, and estimated waiting times."""
