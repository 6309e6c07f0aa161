"""What is measured: one subject a file, each a coroutine from a `Bench` to figures."""
