"""`/v1/next`: the distribution of the next token, stage by stage of the sampler."""
