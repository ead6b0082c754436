"""HTTP: the only package that imports Flask. Shapes of requests and replies, nothing of torch or processes."""
