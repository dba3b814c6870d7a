"""The trained model as a Hugging Face model; importing this module registers it.

`import mhclf.hf`, then `AutoModelForSequenceClassification.from_pretrained(folder)` and
`pipeline("text-classification", model=folder)` work.
"""

from typing import Any

from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from mhclf.losses.classification import likelihood
from mhclf.models.encoder import build_encoder
from mhclf.models.heads import HEADS
from mhclf.models.network import ClassifierNetwork, NetworkConfig


class MhclfConfig(PreTrainedConfig):
    """Configuration: the encoder's own, and what stands on top of it.

    Parameters
    ----------
    encoder : dict
        `encoder.config.to_dict()`.
    task, aggregation, pooling, dropout, last_layers, initial_gate, abstain, chunks,
    evidence_head
        See `mhclf.models.network.NetworkConfig`.
    post_length : int
        Tokens per post in training; the tokenizer saved beside the model cuts there.
    """

    model_type = "mhclf"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        task: str = "multiclass",
        aggregation: str = "last",
        pooling: str = "mean",
        dropout: float = 0.1,
        last_layers: int = 4,
        initial_gate: float = 0.1,
        abstain: bool = False,
        chunks: bool = False,
        evidence_head: bool = False,
        post_length: int = 256,
        **kwargs: Any,  # the base class's own fields (id2label, architectures, ...), which it checks
    ) -> None:
        self.encoder = encoder or {}
        self.task = task
        self.aggregation = aggregation
        self.pooling = pooling
        self.dropout = dropout
        self.last_layers = last_layers
        self.initial_gate = initial_gate
        self.abstain = abstain
        self.chunks = chunks
        self.evidence_head = evidence_head
        self.post_length = post_length
        super().__init__(**kwargs)

    def network_config(self) -> NetworkConfig:
        """Return the part that our network takes."""
        names: dict[Any, str] = dict(self.id2label or {})
        labels = tuple(names[index] for index in range(len(names)))
        return NetworkConfig(
            self.task,
            labels,
            self.aggregation,
            self.pooling,
            self.dropout,
            last_layers=self.last_layers,
            initial_gate=self.initial_gate,
            abstain=self.abstain,
            chunks=self.chunks,
            evidence_head=self.evidence_head,
        )


class MhclfForSequenceClassification(PreTrainedModel):
    """`ClassifierNetwork` behind the interface of a Hugging Face sequence classifier."""

    config_class = MhclfConfig
    base_model_prefix = "network"
    _supports_sdpa = True

    def __init__(self, config: MhclfConfig) -> None:
        super().__init__(config)
        encoder_fields = dict(config.encoder)
        encoder_config = AutoConfig.for_model(encoder_fields.pop("model_type"), **encoder_fields)
        self.network = ClassifierNetwork(build_encoder(encoder_config), config.network_config())
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: Any) -> None:
        """Leave the network's own initialisation alone."""

    def get_input_embeddings(self) -> Any:
        """Return the encoder's word embeddings."""
        return self.network.encoder.get_input_embeddings()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool = True,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Return logits (batch, labels), with the loss when `labels` are given."""
        batch = {"input_ids": input_ids}
        batch["attention_mask"] = attention_mask if attention_mask is not None else input_ids.new_ones(input_ids.shape)
        if token_type_ids is not None:
            batch["token_type_ids"] = token_type_ids
        logits = self.network(batch).logits
        loss = likelihood(self.config.task, logits, labels) if labels is not None else None
        if not return_dict:
            return (logits,) if loss is None else (loss, logits)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def to_hugging_face(network: ClassifierNetwork, post_length: int) -> MhclfForSequenceClassification:
    """Return a trained network as a Hugging Face model, without the projection head."""
    names = list(network.config.labels)
    # The folder that the encoder was loaded from is nobody else's business.
    encoder = {key: value for key, value in network.encoder.config.to_dict().items() if key != "_name_or_path"}
    config = MhclfConfig(
        encoder=encoder,
        task=network.config.task,
        aggregation=network.config.aggregation,
        pooling=network.config.pooling,
        dropout=network.config.dropout,
        last_layers=network.config.last_layers,
        initial_gate=network.config.initial_gate,
        abstain=network.config.abstain,
        chunks=network.config.chunks,
        evidence_head=network.config.evidence_head,
        post_length=post_length,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
        problem_type=HEADS.get(network.config.task).problem_type,
    )
    model = MhclfForSequenceClassification(config)
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("projection.")}
    model.network.load_state_dict(state)
    model.eval()  # type: ignore[no-untyped-call]
    return model


AutoConfig.register("mhclf", MhclfConfig)
AutoModelForSequenceClassification.register(MhclfConfig, MhclfForSequenceClassification)
