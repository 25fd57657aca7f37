"""The towers of open_clip's models as functions of their inputs: stem, vision tower by family, text tower."""
