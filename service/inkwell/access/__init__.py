"""Which requests are let in: keys and their scopes, quotas, places, and how soon a slot is free."""
