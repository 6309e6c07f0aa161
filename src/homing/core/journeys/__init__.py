"""Journeys: small programs over time, and the runs of people through them."""
