"""What fdakit asks of the machine: files, locks, processes, signals, optional libraries and terminals."""
