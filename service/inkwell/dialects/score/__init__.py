"""`/v1/score`: log-probabilities of given texts."""
