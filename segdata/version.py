"""The version of segdata."""

__version__ = "0.1.0"
