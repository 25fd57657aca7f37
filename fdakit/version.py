"""The package's version, read by the build and by `fdakit doctor`."""

__version__ = "0.1.0"
