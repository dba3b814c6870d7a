"""Data sets larger than memory: read in pieces into memory-mapped Arrow files."""

from mhclf.data.large.load import load_large

__all__ = ["load_large"]
