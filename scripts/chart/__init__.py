"""Generators for files derived from the Helm chart: its schema, its tables of values, and the plain manifests."""
