"""Frozen dataclasses for every setting, and the one strict road between them and YAML. No torch here."""

from mhclf.config.dataset import ColumnsConfig, DatasetConfig, LabelName, RationaleConfig, SplitsConfig
from mhclf.config.run import RunConfig

__all__ = ["ColumnsConfig", "DatasetConfig", "LabelName", "RationaleConfig", "RunConfig", "SplitsConfig"]
