"""Settings of domain-adaptive pretraining; each key is also an option of `experiments/pretrain.py`."""

from dataclasses import dataclass, field

from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class PretrainConfig:
    """Masked-language-model pretraining on plain texts.

    Attributes
    ----------
    data : list of str
        Data sets whose train posts are read; their validation and test posts are left out.
    texts : list of str
        Text files, one passage a line (`.txt`), or one JSON object with the key `text` a line (`.jsonl`).
    exclude : list of str
        Other data sets: passages that repeat, nearly repeat, contain or stand in their validation or test posts are
        left out, too.
    encoder : str
        `minilm`, `mpnet`, a local folder, or a hub name.
    seed : int
        Masks, order, and which passages are held out.
    max_length : int
        Tokens a passage.
    mask_share : float
        Share of tokens that are to be guessed (Devlin et al. 2019: .15; of them .8 masked, .1 another token, .1 kept).
    held_out : float
        Share of passages on which the loss is measured.
    data_root : str, optional
        Folder of the data files; `$MHCLF_DATA`, then `./data`, when empty.
    out : str
        Folder of the pretrained encoder; give it as `--encoder` afterwards.
    limit : int, optional
        Passages, for a quick look.
    mask : bool
        Mask e-mail addresses and user names in the posts of `data`.
    optim : OptimConfig
        `lr` for what the encoder's weights hold, `head_lr` for a word-guessing head that they lack.
    """

    data: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    encoder: str = "minilm"
    seed: int = 1
    max_length: int = 128
    mask_share: float = 0.15
    held_out: float = 0.05
    data_root: str | None = None
    out: str = "encoders/pretrained"
    limit: int | None = None
    mask: bool = True
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(lr=5e-5, head_lr=5e-4))
    batch: BatchConfig = field(default_factory=BatchConfig)
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(epochs=3))

    def __post_init__(self) -> None:
        if not self.data and not self.texts:
            raise ConfigError("pretrain: give --data NAME or --texts FILE: there is nothing to read.")
        if not 0 < self.mask_share < 1 or not 0 < self.held_out < 1:
            raise ConfigError("pretrain: mask_share and held_out must lie between 0 and 1.")
        if self.max_length < 4 or (self.limit is not None and self.limit < 10):
            raise ConfigError("pretrain: needs max_length >= 4 and limit >= 10.")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed: is {self.seed}, expected a whole number from 0 to 2**32 - 1.")
        if self.optim.layer_decay != 1:
            raise ConfigError("optim: layer_decay: pretraining has one rate for all layers. Leave it 1.")
        if self.trainer.devices > 1 or int(self.trainer.options.get("num_nodes", 1)) > 1:
            raise ConfigError("trainer: devices: pretraining runs in one process. Leave it 1, and accumulate batches.")
        if self.batch.per_class:
            raise ConfigError("batch: per_class: passages have no class. Leave it 0.")
