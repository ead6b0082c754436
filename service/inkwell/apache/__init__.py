"""Apache as the service's front: its configuration, its process and the supervision of both.

Takes `Settings`; starts, watches, drains and ends httpd. Knows signals, folders and accounts; knows nothing of models'
contents, of tensors, or of what a request means.
"""
