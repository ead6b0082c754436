"""What all dialects share of HTTP. Shapes of requests and replies, nothing of torch or processes."""
