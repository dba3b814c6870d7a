"""Fitting a network: its parts, its posts, its checkpoints, and going on where a killed run stopped."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from mhclf.config.dataset import DatasetConfig
from mhclf.config.run import RunConfig
from mhclf.data.table import PostTable
from mhclf.data.tokens import TokenisedPosts, width_step
from mhclf.errors import ConfigError, RunError
from mhclf.evaluation import higher_is_better
from mhclf.losses.objective import Objective
from mhclf.models.adapters import add_lora, merge_lora
from mhclf.models.baselines import build_baseline
from mhclf.models.encoder import freeze, load_encoder, load_tokenizer, longest_input
from mhclf.models.heads import OrdinalHead
from mhclf.models.network import ClassifierNetwork, NetworkConfig
from mhclf.models.weights import EncoderSource
from mhclf.training.auxiliary import AuxiliaryTask
from mhclf.training.checkpoints import load_checkpoint, train_or_resume
from mhclf.training.environment import quiet_lightning, resolve_precision, training_device
from mhclf.training.facts import train_facts
from mhclf.training.folder import RunFolder
from mhclf.training.loaders import PostData
from mhclf.training.plan import ClassificationPlan, LossNotFiniteError
from mhclf.training.predict import NetworkPredictions
from mhclf.training.trainer import build_trainer


@dataclass(frozen=True)
class FitJob:
    """What a network is fitted from.

    Attributes
    ----------
    table : PostTable
        Split; `train` is learnt, `validation` chooses.
    config : RunConfig
    source : EncoderSource
    attention : str
        Attention kernel.
    max_length : int
    folder : RunFolder
        Where checkpoints and log go.
    on_epoch : callable
        Called after each epoch.
    auxiliary : sequence of PostTable
        Train rows of auxiliary sets.
    extension : Extension, optional
        What is learnt with the network, as one model.
    """

    table: PostTable
    config: RunConfig
    source: EncoderSource
    attention: str
    max_length: int
    folder: RunFolder
    on_epoch: Callable[[], None]
    auxiliary: Sequence[PostTable] = ()
    extension: "Extension | None" = None


class Extension(Protocol):
    """What makes the network of a run part of a larger model that is trained as one.

    Attributes
    ----------
    name : str
        Follows the method's name in records and in the run folder's name.
    """

    name: str

    def identity(self, dataset: DatasetConfig, hashes: Mapping[str, str]) -> str:
        """Return a hash of what it starts from and learns of the data besides posts, labels and splits.

        Parameters
        ----------
        dataset : DatasetConfig
        hashes : mapping
            Those of the data manifest.
        """
        ...

    def extend(self, job: FitJob, plan: ClassificationPlan, posts: PostData) -> tuple[ClassificationPlan, PostData]:
        """Return plan and data of the larger model; `best.ckpt` holds the network's weights as those of `plan`."""
        ...

    def finish(
        self, folder: RunFolder, evaluated: Mapping[str, PostTable], predictions: Mapping[str, NetworkPredictions]
    ) -> None:
        """Write what the larger model adds to the run folder.

        Parameters
        ----------
        folder : RunFolder
            With checkpoints and the saved network.
        evaluated, predictions : mapping
            Split -> its rows, and what the network says of them.
        """
        ...


@dataclass(frozen=True)
class Fitted:
    """A trained network with its tokenizer, and how many train posts were not read whole."""

    network: ClassifierNetwork
    tokenizer: PreTrainedTokenizerBase
    truncated: int


def build_network(table: PostTable, config: RunConfig, source: EncoderSource, attention: str) -> ClassifierNetwork:
    """Build encoder and new parts; their start depends on the seed, that of ordered labels on their shares in train."""
    encoder = load_encoder(source, attention)
    torch.manual_seed(config.seed)
    model = config.model
    if model.kind in {"bilstm", "cnn"}:
        encoder = build_baseline(model.kind, encoder)
    freeze(encoder, model.frozen_layers)
    if config.lora.rank:
        encoder = add_lora(encoder, config.lora)
    parts = NetworkConfig(
        table.config.task,
        table.labels,
        model.aggregation,
        model.pooling,
        model.dropout,
        config.contrastive.projection_size if config.contrastive.weight > 0 else 0,
        model.last_layers,
        model.initial_gate,
        model.abstain,
        config.long.strategy == "chunks",
        config.evidence.head_weight > 0,
    )
    network = ClassifierNetwork(encoder, parts)
    if isinstance(network.head, OrdinalHead):
        counts = np.bincount(table.part("train").targets, minlength=len(table.labels))
        network.head.start_at(torch.tensor(counts / counts.sum()))
    # Encoders come from the library in evaluation mode, and Lightning keeps the mode it finds.
    return network.train()


def build_plan(
    table: PostTable,
    config: RunConfig,
    network: ClassifierNetwork,
    auxiliary: Sequence[AuxiliaryTask],
) -> ClassificationPlan:
    """Build the plan of a network for a table of train rows."""
    objective = Objective(train_facts(table), config.loss, config.contrastive, config.evidence)
    return ClassificationPlan(
        network,
        objective,
        config.optim,
        config.seed,
        table.config.headline_metric,
        auxiliary,
        config.auxiliary_weight,
    )


def tokenise(
    tokenizer: PreTrainedTokenizerBase, table: PostTable, config: RunConfig, max_length: int, learn: bool = False
) -> TokenisedPosts:
    """Tokenise the rows of a table as the run reads them; `learn` keeps what is learnt from marked words."""
    evidence = [rationale.spans for rationale in table.rationales] if learn and config.evidence.on else None
    confidence = table.frame["confidence"].to_numpy() if config.loss.soft_labels else None
    step = width_step(training_device(config.trainer), resolve_precision(config.trainer))
    return TokenisedPosts(
        tokenizer, table.texts, table.targets, max_length, table.contexts, config.long, confidence, evidence, step
    )


def train_network(job: FitJob) -> Fitted:
    """Train on `train` (and on the rows of auxiliary sets) as it stands after the last epoch.

    Several processes may share the work; checkpoints and log are written by the first.

    Raises
    ------
    RunError
        If the loss stops being finite (names the posts of the batch by id), or a checkpoint is damaged or does not fit
        the network.
    """
    quiet_lightning()
    table, config, source, max_length = job.table, job.config, job.source, job.max_length
    tokenizer = load_tokenizer(source)
    train = table.part("train")
    train_posts = tokenise(tokenizer, train, config, max_length, learn=True)
    network = build_network(table, config, source, job.attention)
    positions = longest_input(network.encoder)
    if positions is not None and max_length > positions:
        raise ConfigError(
            f"max_length: is {max_length}, but the encoder '{source.name}' reads {positions} tokens at most."
        )
    tasks = [
        AuxiliaryTask(other, tokenise(tokenizer, other, config, max_length), network.hidden, config)
        for other in job.auxiliary
    ]
    plan = build_plan(train, config, network, tasks)
    validation_posts = tokenise(tokenizer, table.part("validation"), config, max_length)
    metric = table.config.headline_metric
    better: Literal["max", "min"] = "max" if higher_is_better(metric) else "min"
    trainer = build_trainer(config.trainer, job.folder, metric, better, job.on_epoch)
    posts = PostData(train_posts, validation_posts, config.batch, config.seed)
    if job.extension is not None:
        plan, posts = job.extension.extend(job, plan, posts)
    try:
        train_or_resume(trainer, plan, posts, job.folder)
    except LossNotFiniteError as error:
        ids = ", ".join(train.frame["id"].iloc[error.rows].astype(str))
        raise RunError(
            f"{job.folder.path}: the loss is not finite at step {error.step}; the batch holds the posts {ids}. "
            "Lower --optim.lr or --optim.head_lr, or use --trainer.precision fp32."
        ) from error
    return Fitted(network, tokenizer, train_posts.truncated)


def fit_network(job: FitJob) -> Fitted:
    """Train as `train_network` does and return the epoch that `validation` chose; test rows are not touched."""
    fitted = train_network(job)
    network = fitted.network
    # The best checkpoint holds the whole plan; its network is what is kept.
    best = job.folder.checkpoints / "best.ckpt"
    if not best.is_file():
        raise RunError(
            f"{job.folder.path}: training ended before the first validation, which chooses the model. Train for "
            "longer, or validate more often: --trainer.options {val_check_interval: 0.25}."
        )
    state = load_checkpoint(best)["state_dict"]
    own = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
    network.load_state_dict(own)
    if job.config.lora.rank:
        network.encoder = merge_lora(network.encoder)
    return Fitted(network.cpu().float().eval(), fitted.tokenizer, fitted.truncated)
