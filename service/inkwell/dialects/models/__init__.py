"""`/models`: every model that can be requested, and its state."""
