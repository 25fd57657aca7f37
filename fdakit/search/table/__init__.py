"""The table of an index: rows of segments in Lance, on disk before they count, and their vectors read in place."""
