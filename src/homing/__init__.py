"""Homing: a self-hosted, two-way bridge between Twilio Segment and Twilio SendGrid."""

__version__ = "0.1.0"
