"""The process that holds one loaded model, and the web tier's side of the line to it."""
