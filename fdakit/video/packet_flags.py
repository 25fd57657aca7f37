"""What a packet's own headers say of it, as bits of a whole number."""

ENTRY = 1  # decoding can begin here: every picture shown from this one on comes out exactly
BACKWARD = 2  # it may be shown before a packet that stands before it
SILENT = 4  # no frame comes of it
UNSURE = 8  # whether one frame comes of it, only decoding tells
PARAMETERS = 16  # sets of the decoder change here and may be needed later on
