"""SendGrid's Marketing contacts and lists: what is written there of whom."""
