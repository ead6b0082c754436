"""Apache as the front end: its configuration, and its process under supervision.

Takes `Settings`; starts, watches, drains and ends httpd. Knows signals, folders and accounts; knows nothing of the
contents of models or requests.
"""
