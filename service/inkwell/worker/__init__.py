"""The process that holds one loaded model, and the web tier's client for it."""
