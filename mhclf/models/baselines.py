"""The networks that older papers report: a bidirectional LSTM and a convolution over word vectors.

Both read the tokens of a pretrained encoder and start from its word vectors (older papers: GloVe), and both are Hugging
Face models, so that everything that holds for an encoder holds for them.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from mhclf.registry import Registry

BASELINES: Registry[type[nn.Module]] = Registry("baseline")


@BASELINES.register("bilstm")
class BiLstm(nn.Module):
    """One bidirectional LSTM layer (Hochreiter & Schmidhuber 1997; Graves & Schmidhuber 2005).

    Parameters
    ----------
    embedding, hidden : int
        Widths in and out; each direction gives half of `hidden`.
    """

    def __init__(self, embedding: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(embedding, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, tokens, hidden); runs over the tokens that are not padding, whichever side they stand on."""
        # Tokens to the left, so that lengths say where they end; then each back to its place.
        order = (1 - mask).argsort(dim=1, stable=True).unsqueeze(-1)
        packed = nn.utils.rnn.pack_padded_sequence(
            vectors.gather(1, order.expand_as(vectors)), mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        # cuDNN keeps what a gradient needs in training mode only; explanations need gradients in evaluation mode.
        own_kernels = torch.is_grad_enabled() and not self.training
        with torch.backends.cudnn.flags(enabled=False) if own_kernels else nullcontext():
            states = self.lstm(packed)[0]
        output, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=vectors.shape[1])
        return torch.zeros_like(output).scatter(1, order.expand_as(output), output)


@BASELINES.register("cnn")
class Convolution(nn.Module):
    """Filters of several widths over the tokens (Kim 2014, arXiv:1408.5882); max pooling completes the model.

    Parameters
    ----------
    embedding, hidden : int
        Widths in and out.
    sizes : sequence of int
        Tokens that each group of filters sees.
    """

    def __init__(self, embedding: int, hidden: int, sizes: Sequence[int] = (3, 4, 5)) -> None:
        super().__init__()
        widths = [hidden // len(sizes) + (number < hidden % len(sizes)) for number in range(len(sizes))]
        self.filters = nn.ModuleList(
            nn.Conv1d(embedding, width, size) for width, size in zip(widths, sizes, strict=True)
        )

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, tokens, hidden): every filter at every token; beyond the post's ends stand zeros."""
        signal = (vectors * mask.unsqueeze(-1)).transpose(1, 2)
        outputs = []
        for convolution in self.filters:
            assert isinstance(convolution, nn.Conv1d)
            size = convolution.kernel_size[0]
            outputs.append(functional.relu(convolution(functional.pad(signal, ((size - 1) // 2, size // 2)))))
        return torch.cat(outputs, dim=1).transpose(1, 2)


class BaselineConfig(PreTrainedConfig):
    """Sizes of a baseline.

    Parameters
    ----------
    kind : str
        Name in `BASELINES`.
    vocab_size, embedding_size : int
        Of the word vectors.
    hidden_size : int
        Width of a token's state.
    dropout : float
        After the word vectors.
    """

    model_type = "mhclf_baseline"

    def __init__(
        self,
        kind: str = "bilstm",
        vocab_size: int = 1,
        embedding_size: int = 1,
        hidden_size: int = 300,
        dropout: float = 0.3,
        **kwargs: Any,  # the base class's own fields, which it checks
    ) -> None:
        self.kind = kind
        self.vocab_size, self.embedding_size, self.hidden_size = vocab_size, embedding_size, hidden_size
        self.dropout = dropout
        self.num_hidden_layers = 1
        super().__init__(**kwargs)


class BaselineEncoder(PreTrainedModel):
    """Word vectors and one layer over them; the output has one state a token."""

    config_class = BaselineConfig

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)
        self.layer = BASELINES.get(config.kind)(config.embedding_size, config.hidden_size)
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: Any) -> None:
        """Leave torch's initialisation alone."""

    def get_input_embeddings(self) -> nn.Module:
        """Return the word vectors."""
        return self.embeddings

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool = False,
        return_dict: bool = True,
    ) -> BaseModelOutput:
        """Return one state a token; of the one layer there is no list of hidden states.

        Parameters
        ----------
        input_ids, attention_mask, token_type_ids : Tensor, optional
            Shape (batch, tokens); without a mask every token is read, and segments are not.
        inputs_embeds : Tensor, optional
            Word vectors in place of `input_ids`, shape (batch, tokens, embedding).

        Raises
        ------
        ValueError
            If not exactly one of `input_ids` and `inputs_embeds` is given, as for other encoders.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either input_ids or inputs_embeds.")
        vectors = self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if attention_mask is None:
            attention_mask = torch.ones(vectors.shape[:2], dtype=torch.int64, device=vectors.device)
        return BaseModelOutput(last_hidden_state=self.layer(self.dropout(vectors), attention_mask))


def build_baseline(kind: str, encoder: PreTrainedModel) -> BaselineEncoder:
    """Return a baseline (a name in `BASELINES`) that starts from an encoder's word vectors."""
    words: Any = encoder.get_input_embeddings()
    config = BaselineConfig(kind, vocab_size=words.num_embeddings, embedding_size=words.embedding_dim)
    model = BaselineEncoder(config)
    with torch.no_grad():
        model.embeddings.weight.copy_(words.weight)
    return model


AutoConfig.register(BaselineConfig.model_type, BaselineConfig)
AutoModel.register(BaselineConfig, BaselineEncoder)
