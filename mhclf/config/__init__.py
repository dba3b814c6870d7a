"""Frozen dataclasses for every setting, and the one strict road between them and YAML. No torch here."""

from mhclf.config.columns import ColumnsConfig, RationaleConfig
from mhclf.config.dataset import DatasetConfig, LabelName, SplitsConfig
from mhclf.config.run import RunConfig
from mhclf.config.source import SourceConfig

__all__ = [
    "ColumnsConfig",
    "DatasetConfig",
    "LabelName",
    "RationaleConfig",
    "RunConfig",
    "SourceConfig",
    "SplitsConfig",
]
