"""One folder for each API that clients speak. Deleting a folder and its line in app.py removes the feature."""
