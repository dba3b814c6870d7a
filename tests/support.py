"""What tests share: invented sentences, tiny encoders with local tokenizers, a small data set."""

import json
from pathlib import Path

from mhclf.config.loss import ContrastiveConfig
from mhclf.config.model import ModelConfig

FAMILIES = ("bert", "roberta", "mpnet", "distilbert", "electra", "deberta-v2", "xlnet", "modernbert")

SENTENCES = {
    "body": [
        "my knee hurts when the stairs are wet",
        "slept two hours and the headache is back",
        "the new pills make my hands shake at noon",
        "could not eat all day because of the fever",
        "back pain again after the long drive home",
        "my stomach aches and the doctor is away",
        "walked a mile today and the ankle held",
        "the cough keeps me awake until morning",
    ],
    "work": [
        "the exam is on monday and nothing stays in",
        "my boss moved the deadline to tomorrow again",
        "three job applications and not one answer",
        "finished the essay after a week of drafts",
        "the office lost the contract we needed",
        "they cut my hours at the shop this month",
        "learning the new software takes all evening",
        "my thesis adviser wants a fourth chapter",
    ],
    "people": [
        "my sister stopped calling after the wedding",
        "nobody saved me a seat at lunch today",
        "we argued and he left without his coat",
        "the neighbours invited me for soup at last",
        "old friends met without telling me about it",
        "mum and i laughed on the phone for an hour",
        "she reads my messages and never replies",
        "the choir feels like a family to me now",
    ],
}


def build_encoder_folder(folder: Path, family: str = "bert") -> Path:
    """Save a random two-layer encoder of a family with a tokenizer of the family's kind."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    texts = [text for group in SENTENCES.values() for text in group] + ["abcdefghijklmnopqrstuvwxyz 0123456789 '!?.,"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if family in {"roberta", "modernbert"}:
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    elif family in {"deberta-v2", "xlnet"}:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=300, special_tokens=special, unk_token="[UNK]", show_progress=False
        )
    else:
        # Written out: a trained vocabulary breaks its ties by chance, and differs from process to process.
        letters = sorted({sign for text in texts for sign in text if not sign.isspace()})
        whole = sorted({word for text in texts[:-1] for word in text.split()})[::2]
        pieces = dict.fromkeys([*special, *letters, *(f"##{sign}" for sign in letters), *whole])
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = None
    if trainer is not None:
        tokenizer.train_from_iterator(texts, trainer)
    order = "$A [SEP] [CLS]" if family == "xlnet" else "[CLS] $A [SEP]"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=order, special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        padding_side="left" if family == "xlnet" else "right",
    ).save_pretrained(folder)
    size = {"vocab_size": len(tokenizer.get_vocab()), "pad_token_id": 0}
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    settings = {
        "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
        "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48},
        "electra": wide | {"embedding_size": 32},
        "modernbert": wide | {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
    }.get(family, wide)
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **size, **settings)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def write_tiny_dataset(folder: Path, *, task: str = "multiclass", copies: int = 3, name: str = "tiny") -> Path:
    """Write a small data set with its YAML; returns the YAML's path."""
    folder.mkdir(parents=True, exist_ok=True)
    endings = ["", " today", " once more", " as ever", " i think", " they say"]
    rows = []
    for label, sentences in SENTENCES.items():
        for number, sentence in enumerate(sentences):
            for copy in range(copies):
                text = sentence + endings[copy]
                group = f"{label}-{number}"
                value = label if task != "multilabel" else [label, "people"] if number % 2 else [label]
                rows.append({"id": f"{group}-{copy}", "text": text, "label": value, "group": group})
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\ntask: {task}\nlabels: [body, work, people]\nsource: {{files: {name}.jsonl}}\n"
        "columns: {id: id, text: text, label: label, group: group}\nsplits: {kind: ratio, test: 0.25}\n"
        f"max_length: 32\nmetrics: [{'macro_f1, accuracy' if task == 'multiclass' else 'micro_f1, macro_f1'}]\n",
        encoding="utf-8",
    )
    return path


LINEAR = {"method": "tfidf_lr", "model": ModelConfig(kind="tfidf_lr"), "contrastive": ContrastiveConfig(weight=0)}


def small_run(dataset: Path, encoder: Path | None, out: Path, **settings: object):
    """Train a run of two epochs on the CPU and load it; the linear baseline without an encoder."""
    from mhclf.config.run import RunConfig
    from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
    from mhclf.training.run import run
    from mhclf.training.saved import load_run

    chosen = LINEAR if encoder is None else {"encoder": str(encoder)}
    config = RunConfig(
        data=str(dataset),
        out=str(out),
        report=False,
        **{"max_length": 64} | chosen | settings,
        optim=OptimConfig(lr=1e-3, head_lr=1e-2),
        batch=BatchConfig(size=8),
        trainer=TrainerConfig(epochs=2, accelerator="cpu", precision="fp32"),
    )
    return load_run(run(config).folder)
