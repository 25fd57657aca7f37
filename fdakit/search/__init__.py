"""Search of a person's own videos: the index of segments, and how it is asked."""
