"""The manifest: what was trained and tested on, as counts and hashes, without a word of a post."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from mhclf.data.audit import Finding, findings_as_json
from mhclf.data.repair import Rationale
from mhclf.data.table import SPLITS, PostTable


def content_hash(items: Iterable[Any]) -> str:
    """Return the SHA-256 of a sequence of JSON-able items, in order."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps(item, ensure_ascii=False, sort_keys=True).encode("utf-8") + b"\n")
    return digest.hexdigest()


def data_hash(table: PostTable) -> str:
    """Return one hash over ids, texts (with context and options), labels, groups and splits."""
    frame = table.frame
    columns = [frame["id"], table.texts_in_context, frame["group"], frame["split"], table.targets.tolist()]
    return content_hash(list(zip(*columns, strict=True)))


def _explanations_hash(frame: pd.DataFrame) -> dict[str, str]:
    """Return the hash of the reference explanations, which are not part of `data`; nothing where there is none."""
    texts = frame["explanation"].astype(str)
    return {"explanations": content_hash(texts.tolist())} if texts.astype(bool).any() else {}


def build_manifest(table: PostTable, findings: list[Finding], protocol: str) -> dict[str, Any]:
    """Return the content of `data_manifest.json` for a split and audited table."""
    config, frame = table.config, table.frame
    one_hot = table.targets if table.targets.ndim == 2 else np.eye(len(table.labels), dtype=int)[table.targets]
    present = [split for split in SPLITS if (frame["split"] == split).any()]
    return {
        "name": config.name,
        "title": config.title or config.name,
        "task": config.task,
        "language": config.language,
        "labels": list(table.labels),
        "headline_metric": config.headline_metric,
        "metrics": list(config.metrics or (config.headline_metric,)),
        "risk": {"high": list(config.risk.high), "order": list(config.risk.order)} if config.risk.high else {},
        "rows": {split: int((frame["split"] == split).sum()) for split in present},
        "groups": {split: int(frame.loc[frame["split"] == split, "group"].nunique()) for split in present},
        "class_counts": {
            split: {
                label: int(count)
                for label, count in zip(table.labels, one_hot[frame["split"] == split].sum(axis=0), strict=True)
            }
            for split in present
        },
        "hashes": {
            "ids": content_hash(frame["id"].tolist()),
            "texts": content_hash(frame["text"].tolist()),
            "labels": content_hash(table.targets.tolist()),
            "splits": content_hash(frame["split"].tolist()),
            "data": data_hash(table),
        }
        | _explanations_hash(frame),
        "load": dict(table.counts),
        "repair": config.repair,
        "left_out": {fault: list(rows) for fault, rows in table.left_out.items()},
        "rationales_not_fully_located": [
            row_id
            for row_id, item in zip(frame["id"], table.rationales or [Rationale()] * len(frame), strict=True)
            if item.located < item.parts
        ],
        "explanations": config.explanations,
        "findings": findings_as_json(findings),
        "shares_text_with": list(config.shares_text_with),
        "protocol": protocol,
        "licence": config.licence,
        "access": config.access,
        "citation": config.citation,
        "ethics": config.ethics,
    }
