"""The installed version, for modules below the package's public face."""

from importlib.metadata import version

__version__ = version("fastbp")
