"""Every setting of one run; each key is also an option of the front doors."""

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from mhclf.config.columns import GivenColumns
from mhclf.config.loss import ContrastiveConfig, EvidenceConfig, LossConfig
from mhclf.config.model import LongPostsConfig, LoraConfig, ModelConfig
from mhclf.config.source import is_table_file, table_name
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class AuditConfig:
    """The audit before training.

    Attributes
    ----------
    on_leak : str
        Posts that stand in train and in another split: drop them from train, stop (exit 3), or keep them.
    against : list of str
        Other data sets on which the model will be tested: train posts that repeat, nearly repeat, contain or are
        contained in one of their test posts are dropped from train.
    """

    on_leak: Literal["drop", "stop", "keep"] = "drop"
    against: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubsetConfig:
    """Less training data, for few-shot work and learning curves.

    Attributes
    ----------
    per_class : int, optional
        Train posts of each class (with several labels a post, at least as many where there are).
    share : float, optional
        Share of the train posts of each class.
    seed : int
        Which posts; a smaller subset of one seed lies inside a larger one.
    """

    per_class: int | None = None
    share: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_class is not None and self.share is not None:
            raise ConfigError("subset: give 'per_class' or 'share', not both.")
        if self.per_class is not None and self.per_class < 1:
            raise ConfigError(f"subset: per_class: is {self.per_class}, expected 1 or more.")
        if self.share is not None and not 0 < self.share <= 1:
            raise ConfigError(f"subset: share: is {self.share}, expected above 0 and at most 1.")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"subset: seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")


@dataclass(frozen=True)
class RunConfig:
    """The run.

    Attributes
    ----------
    data : str
        Name of a data set, path of its YAML, or a csv, tsv, json, jsonl, parquet or xlsx file.
    method : str
        Recipe in experiments/recipes whose differences were applied.
    encoder : str
        `minilm`, `mpnet`, a local folder, or a hub name.
    seed : int
        Varies the model only, never the rows.
    split_seed : int, optional
        Replaces the data set's own `splits.seed`, for repeated splits.
    fold : int, optional
        Replaces the data set's own `splits.fold`, for cross-validation.
    max_length : int, optional
        Tokens per post; the data set's own value when empty.
    data_root : str, optional
        Folder of the data files; `$MHCLF_DATA`, then `./data`, when empty.
    out : str
        Folder in which run folders are made.
    limit : int, optional
        Rows per split, for a quick look.
    shuffle_labels : bool
        Shuffle the labels of the train rows among them (by `seed`): a model that learnt nothing, to hold explanations
        against (label randomisation, Adebayo et al. 2018). Validation and test keep theirs.
    mask : bool
        Mask e-mail addresses and user names in texts.
    test : bool
        Open the test set; off while you explore.
    report : bool
        Draw figures, report and model card; suites leave them out, and a later start of the same run adds them.
    mask_identifiers : bool
        In the posts that the report shows, replace e-mail and web addresses, user names and phone numbers, whatever
        the model reads (`mask`). A later start of the same run draws its report so.
    auxiliary : list of str
        Data sets that are learnt beside `data` with heads of their own, or `shared` for those that its YAML names
        under `shares_text_with`; their posts that stand in validation or test of `data` are left out. Their loss is
        the likelihood, with the class weights and label smoothing of `loss`.
    auxiliary_weight : float
        Weight of their losses together.
    protocol : str
        `sound`, the only one that a training run follows; the message for the others names the door that replays them.
    """

    data: str = "demo"
    method: str = "lara_supcon"
    encoder: str = "minilm"
    seed: int = 1
    split_seed: int | None = None
    fold: int | None = None
    max_length: int | None = None
    data_root: str | None = None
    out: str = "runs"
    limit: int | None = None
    shuffle_labels: bool = False
    mask: bool = True
    test: bool = True
    report: bool = True
    mask_identifiers: bool = False
    protocol: Literal["sound", "welldunn-2024", "mentallama-2024"] = "sound"
    auxiliary: tuple[str, ...] = ()
    auxiliary_weight: float = 1.0
    columns: GivenColumns = field(default_factory=GivenColumns)
    audit: AuditConfig = field(default_factory=AuditConfig)
    subset: SubsetConfig = field(default_factory=SubsetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    long: LongPostsConfig = field(default_factory=LongPostsConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: is {self.limit}, expected 1 row or more per split.")
        if self.max_length is not None and self.max_length < 4:
            raise ConfigError(f"max_length: is {self.max_length}, expected 4 tokens or more.")
        if self.seed < 0 or self.seed >= 2**32:
            raise ConfigError(f"seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")
        # Validation rows are drawn with split_seed + 1000.
        if self.split_seed is not None and not 0 <= self.split_seed < 2**31:
            raise ConfigError(f"split_seed: is {self.split_seed}, expected a whole number from 0 to 2**31 - 1.")
        if self.auxiliary_weight <= 0:
            raise ConfigError(f"auxiliary_weight: is {self.auxiliary_weight}, expected above 0.")
        if self.columns != GivenColumns() and not is_table_file(self.data):
            raise ConfigError(
                f"columns: are for a data file without a YAML, and '{self.data}' has one. Change it there."
            )
        if self.data in self.auxiliary:
            raise ConfigError(f"auxiliary: '{self.data}' is the data set itself. Leave it out.")
        if self.protocol != "sound":
            door = {"welldunn-2024": "welldunn_replay.py", "mentallama-2024": "generate.py prompt --protocol"}
            raise ConfigError(
                f"protocol: a training run follows 'sound' only. experiments/{door[self.protocol]} replays "
                f"'{self.protocol}'."
            )


def short_name(name: str) -> str:
    """Return the name under which records keep a data set or encoder: no path of a machine, no separators."""
    path = PurePath(name)
    if path.suffix in {".yaml", ".yml"}:
        return path.stem
    if is_table_file(name):
        return table_name(name)
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    return path.name if is_path else name.replace("/", "--")
