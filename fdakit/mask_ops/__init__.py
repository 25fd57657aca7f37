"""Building blocks of masks: differences, thresholds, morphology, camera motion, scene cuts, black bars.

`__init__.pyi` lists the names for authors of masks; they are imported on first use.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
