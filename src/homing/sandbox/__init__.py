"""The whole loop on one machine with no account: the service between emulated vendors."""
