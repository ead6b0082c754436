"""One folder a dialect: delete it and its name in app.py, and the dialect is gone. None imports another."""
