"""What can be refused before work starts: names of parts, and settings that do not go together."""

from mhclf.config.run import RunConfig
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.losses.classification import LOSSES
from mhclf.losses.contrastive import RAMPS
from mhclf.models.aggregation import AGGREGATIONS
from mhclf.models.pooling import POOLINGS
from mhclf.training.environment import check_accelerator
from mhclf.training.facts import train_facts


def check_settings(config: RunConfig) -> None:
    """Refuse unknown names and settings that contradict each other.

    Raises
    ------
    ConfigError
        Says which key, and what to change.
    """
    check_accelerator(config.trainer)
    for family, name in (
        (POOLINGS, config.model.pooling),
        (AGGREGATIONS, config.model.aggregation),
        (LOSSES, config.loss.name),
        (RAMPS, config.contrastive.ramp),
        (RAMPS, config.evidence.ramp),
    ):
        family.get(name)
    model, kind = config.model, config.model.kind
    if model.abstain != (config.loss.name == "gamblers"):
        raise ConfigError(
            "model: abstain: the reservation and the loss 'gamblers' belong together. "
            "Give --model.abstain true --loss.name gamblers, or neither."
        )
    if kind in {"bilstm", "cnn"} and (model.aggregation != "last" or model.frozen_layers or config.lora.rank):
        raise ConfigError(
            f"model: kind: '{kind}' has one layer. Give --model.aggregation last, and leave frozen_layers and "
            "lora.rank 0."
        )
    if config.evidence.attention_weight > 0 and kind in {"bilstm", "cnn"}:
        raise ConfigError(f"evidence: attention_weight: '{kind}' has no attention. Use --evidence.head_weight.")
    if config.lora.rank and (model.frozen_layers or config.optim.layer_decay < 1):
        raise ConfigError("lora: rank: adapters go without --model.frozen_layers and --optim.layer_decay.")
    if kind == "tfidf_lr" and config.auxiliary:
        raise ConfigError("auxiliary: the linear baseline has no shared encoder. Choose a neural method.")


def check_data(config: RunConfig, table: PostTable) -> None:
    """Refuse settings that the data set does not fit.

    Raises
    ------
    ConfigError
        Says which key, and what to change.
    """
    train = table.part("train")
    if config.model.kind != "tfidf_lr":
        # Losses check task and settings when they are built.
        LOSSES.get(config.loss.name)(table.config.task, config.loss, train_facts(train).class_counts, len(train))
    if config.loss.soft_labels and train.frame["confidence"].isna().all():
        raise ConfigError(
            f"{table.config.name}: loss: soft_labels: needs the share of annotators behind each label. "
            "Name its column as 'columns: confidence', or leave soft_labels off."
        )
    if config.evidence.on and not any(rationale.spans for rationale in train.rationales):
        raise ConfigError(
            f"{table.config.name}: evidence: no train post has words that an expert marked. Choose another recipe."
        )
    if config.contrastive.ordinal and table.config.task != "ordinal":
        raise ConfigError(f"{table.config.name}: contrastive: ordinal: is for ordered labels. Leave it off.")
