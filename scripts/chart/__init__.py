"""What is made from the Helm chart: its schema, its table of values, and the plain manifests."""
