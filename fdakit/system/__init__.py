"""What fdakit asks of the machine: whole files on disk."""
