"""A SendGrid: mail/send, suppressions, templates, a mailbox, signed event webhooks."""
