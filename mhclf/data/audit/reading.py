"""How much of the posts and of their evidence a model reads at a given length, and how much of it it knows."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from mhclf.data.repair import Rationale
from mhclf.data.spans import overlap

_BATCH = 512


@dataclass(frozen=True)
class ReadShare:
    """What is cut off at a number of tokens.

    Attributes
    ----------
    tokenizer : str
        Name of the encoder.
    max_length : int
        Tokens, special ones included.
    posts_cut : int
        Posts that are longer.
    characters_lost, evidence_lost : float
        Share of all characters, and of the characters of expert evidence, behind the cut; 0 to 1.
    unknown_tokens : float
        Share of tokens that stand for what the tokenizer has no name for; 0 to 1.
    """

    tokenizer: str
    max_length: int
    posts_cut: int
    characters_lost: float
    evidence_lost: float
    unknown_tokens: float = 0.0


def read_share(
    texts: Sequence[str],
    rationales: Sequence[Rationale],
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    max_length: int,
) -> ReadShare:
    """Tokenise the posts and count what lies behind the cut, and what the tokenizer does not know."""
    room = max_length - tokenizer.num_special_tokens_to_add()
    cuts: list[int] = []
    tokens = unknown = 0
    # In parts: character offsets of a large set would not fit into memory.
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        read = tokenizer(batch, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        tokens += sum(map(len, read["input_ids"]))
        unknown += sum(numbers.count(tokenizer.unk_token_id) for numbers in read["input_ids"])
        cuts += [
            places[room - 1][1] if len(places) > room else len(text)
            for text, places in zip(batch, read["offset_mapping"], strict=True)
        ]
    evidence = lost = 0
    for text, item, cut in zip(texts, rationales, cuts, strict=False):
        evidence += sum(end - begin for begin, end in item.spans)
        lost += sum(overlap(span, (cut, len(text))) for span in item.spans)
    characters = sum(map(len, texts))
    unread = characters - sum(cuts)
    return ReadShare(
        name,
        max_length,
        sum(cut < len(text) for text, cut in zip(texts, cuts, strict=True)),
        unread / characters if characters else 0.0,
        lost / evidence if evidence else 0.0,
        unknown / tokens if tokens else 0.0,
    )
