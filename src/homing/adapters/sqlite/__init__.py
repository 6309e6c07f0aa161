"""The store on SQLite: the log file and the state file, one writer each."""
