"""Flags of a packet, from its own headers, as bits of an integer."""

ENTRY = 1  # decoding can start here: every picture shown from this one on decodes exactly
BACKWARD = 2  # it may be shown before an earlier packet
SILENT = 4  # it yields no frame
UNSURE = 8  # only decoding shows whether it yields one frame
PARAMETERS = 16  # parameter sets change here and may be needed later
