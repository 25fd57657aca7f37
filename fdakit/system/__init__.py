"""The operating system: files, locks, processes, signals, optional libraries and terminals."""
