"""structloop: lab-in-the-loop vision for structural biology.

Three applications (crystals, grids, particles) share one loop: observe, predict, decide, act, review, learn.
"""

from importlib.metadata import version

__version__ = version("structloop")
__all__ = ["__version__"]
