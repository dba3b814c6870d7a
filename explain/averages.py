"""Means over posts with their interval: those of the evaluation room, under the name that this package uses."""

from mhclf.evaluation.averages import Average, Floats, average

__all__ = ["Average", "Floats", "average"]
