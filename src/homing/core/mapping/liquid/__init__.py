"""`@liquid`. Importing `engine` takes 75 ms, so it is left to the first mapping with Liquid."""
