"""SendGrid's marketing side: contacts, lists, custom fields, and the jobs that change them."""
