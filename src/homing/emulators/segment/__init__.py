"""A Segment: the tracking API, profiles, and the webhooks it sends."""
