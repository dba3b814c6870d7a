"""Runs of a classifier that explains: one model gives label, layer weights and an explanation."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from mhclf.config.dataset import DatasetConfig
from mhclf.config.joint import ExplanationConfig, JointConfig
from mhclf.config.structure import to_mapping
from mhclf.data.load import load_table
from mhclf.data.locate import find_dataset
from mhclf.data.manifest import content_hash
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError, RunError
from mhclf.generation.adapting import need_peft, with_adapters
from mhclf.generation.answers import Answers, generation_lines
from mhclf.generation.asking import Progress
from mhclf.generation.deciding import Decision
from mhclf.generation.decoders import Decoder, load_decoder
from mhclf.generation.explainer import Explainer, ExplainerSettings, load_explainer, prompts_of, save_explainer
from mhclf.generation.explanation_head import ExplanationHead
from mhclf.generation.joint_data import ExplanationPrompts, Explanations, JointData, question_of
from mhclf.generation.joint_plan import HEAD, JointPlan
from mhclf.generation.keeping_out import sets_kept_out
from mhclf.generation.page import redraw_masked, write_generations
from mhclf.results.files import write_text
from mhclf.training.checkpoints import load_checkpoint
from mhclf.training.environment import resolve_precision
from mhclf.training.fit import FitJob
from mhclf.training.folder import RunFolder
from mhclf.training.loaders import PostData
from mhclf.training.plan import ClassificationPlan
from mhclf.training.predict import NetworkPredictions, predict_network
from mhclf.training.prepared import prepare_data
from mhclf.training.run import RunOutcome, run
from mhclf.training.saved import Run, load_run

logger = logging.getLogger(__name__)

EXPLAINER = "explainer"


class Explained(NamedTuple):
    """What a joint model says of a post.

    Attributes
    ----------
    label : str or list of str
    probabilities : array (labels,)
    explanation : str
        Of this label; what the decoder wrote behind it.
    """

    label: Any
    probabilities: npt.NDArray[np.float64]
    explanation: str


@dataclass(frozen=True)
class JointModel:
    """A trained classifier with its explanation head.

    Attributes
    ----------
    run : Run
        The classifier, as any other run.
    explainer : Explainer
    """

    run: Run
    explainer: Explainer

    def explain(self, texts: list[str], contexts: list[str] | None = None) -> list[Explained]:
        """Return label, probabilities and explanation of each post.

        Texts are read as they are: `run.prepare` makes of raw ones what the run was trained on. Contexts are read by
        the classifier only, unless the question about each row stands there: then the decoder reads them too.

        Raises
        ------
        DataError
            If the questions about the rows are missing.
        """
        if not texts:
            return []
        network, tokenizer = self.run.parts()
        config = self.run.config
        found = predict_network(network, tokenizer, texts, self.run.max_length, config.batch, contexts, config.long)
        written: dict[int, str] = {}
        representations = torch.from_numpy(found.representations)
        for batch in self.explainer.explain(representations, texts, found.decisions.tolist(), (), contexts):
            written |= batch
        probabilities = found.probabilities.astype(np.float64)
        labels = self.run.named(probabilities)
        return [Explained(labels[row], probabilities[row], written[row]) for row in range(len(texts))]


class JointExtension:
    """The explanation head as an extension of a classifier's run.

    Parameters
    ----------
    config : JointConfig
    on_progress : callable, optional
        Told how many explanations are written.
    """

    name = "explanation"

    def __init__(self, config: JointConfig, on_progress: Progress | None = None) -> None:
        self.config: ExplanationConfig = config.explanation
        self.mask_identifiers = config.mask_identifiers
        self.on_progress = on_progress
        self.dtype: Literal["bfloat16", "float32"] = (
            "bfloat16" if resolve_precision(config.trainer) == "bf16" else "float32"
        )
        if self.config.lora.rank:
            need_peft()
        self._decoder = load_decoder(self.config.decoder, getattr(torch, self.dtype))
        if self._decoder.encodes:
            raise ConfigError(f"explanation: decoder: '{self.config.decoder}' is no causal model. Choose another.")
        self._head: ExplanationHead | None = None

    def identity(self, dataset: DatasetConfig, hashes: Mapping[str, str]) -> str:
        """Return a hash of the decoder's weights, of what it is asked, and of the explanations that it learns."""
        # No head answers about options of a row: that a question may have them leaves the names of runs as they were.
        question = {key: value for key, value in to_mapping(question_of(dataset)).items() if key != "by_row"}
        asked = [question, dataset.language, to_mapping(dataset.prompt), dataset.label_names]
        return content_hash([self._decoder.sha256, asked, hashes.get("explanations", "")])

    def extend(self, job: FitJob, plan: ClassificationPlan, posts: PostData) -> tuple[JointPlan, JointData]:
        """Return the joint plan and its data."""
        config, decoder = self.config, self._decoder
        prompts = self._prompts(decoder, job.table)
        train, validation = (Explanations(job.table.part(split), prompts, config) for split in ("train", "validation"))
        if not train.places:
            raise ConfigError(
                f"{job.table.config.name}: no train row has an explanation. Name their column as 'columns: "
                "explanation', or choose another data set."
            )
        logger.info(
            "%d of %d train rows have an explanation; %d are cut to %d tokens",
            len(train.places), len(posts.train), train.tokens.truncated, config.response_tokens,
        )  # fmt: skip
        # The start of projector and adapters depends on the seed alone.
        torch.manual_seed(job.config.seed)
        model: Any = decoder.model.requires_grad_(False)
        if config.lora.rank:
            model = with_adapters(model, config.lora)
        self._head = ExplanationHead(plan.network.hidden, model, config.prefix_length).train()
        return JointPlan(plan, self._head, config), JointData(posts, train, validation)

    def finish(
        self, folder: RunFolder, evaluated: Mapping[str, PostTable], predictions: Mapping[str, NetworkPredictions]
    ) -> None:
        """Save the head of the best epoch, and write the explanations of test (or validation) with what was saved."""
        split = "test" if "test" in evaluated else "validation"
        part, found = evaluated[split], predictions[split]
        self._save(folder, part, found.representations.shape[1])
        explainer = load_explainer(folder.path / EXPLAINER, self.config.decoder)
        written = self._write(explainer, part, found, folder.path / "generations.part.jsonl")
        write_text(folder.path / "generations.jsonl", generation_lines(_answers(explainer, part, found, written)))
        write_generations(folder.path, part, mask_identifiers=self.mask_identifiers)
        (folder.path / "generations.part.jsonl").unlink(missing_ok=True)

    def _prompts(self, decoder: Decoder, table: PostTable) -> ExplanationPrompts:
        language, config = table.config.language, self.config
        return prompts_of(decoder, question_of(table.config), language, config.reads_post, config.post_tokens)

    def _save(self, folder: RunFolder, part: PostTable, hidden: int) -> None:
        head, config = self._head, self.config
        if head is None:
            raise ValueError("the head is saved after training")
        state = load_checkpoint(folder.checkpoints / "best.ckpt")["state_dict"]
        own = {key.removeprefix(HEAD): value for key, value in state.items() if key.startswith(HEAD)}
        head.load_state_dict(own, strict=False)
        settings = ExplainerSettings(
            self._decoder.name,
            self._decoder.sha256,
            self.dtype,
            bool(config.lora.rank),
            hidden,
            config.prefix_length,
            config.reads_post,
            config.post_tokens,
            config.max_new_tokens,
            part.config.language,
            question_of(part.config),
        )
        save_explainer(folder.path / EXPLAINER, head.cpu(), settings)

    def _write(self, explainer: Explainer, part: PostTable, found: NetworkPredictions, partial: Path) -> dict[int, str]:
        """Return row -> explanation; what a stopped job has written stands in `partial`."""
        written = _read_partial(partial)
        representations = torch.from_numpy(found.representations)
        with partial.open("a", encoding="utf-8") as lines:
            decisions = found.decisions.tolist()
            for batch in explainer.explain(representations, part.texts, decisions, set(written), part.contexts):
                written |= batch
                # The line's end comes first: a line that a kill cut off stays alone.
                lines.write("\n" + json.dumps(sorted(batch.items()), ensure_ascii=False) + "\n")
                lines.flush()
                if self.on_progress is not None:
                    self.on_progress("explanations", len(written), len(part))
        return written


def run_joint(config: JointConfig, overwrite: bool = False, on_progress: Progress | None = None) -> RunOutcome:
    """Train a classifier with its explanation head, go on with a stopped run, or return a complete one.

    The run folder is that of any training run, with `explainer/` (the head), `generations.jsonl` (the explanations
    of the test rows, or of the validation rows where the test set stays shut) and `generations.html`.

    Parameters
    ----------
    config : JointConfig
    overwrite : bool
    on_progress : callable, optional
        Told how many explanations are written.

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    config = _without_experts(config)
    outcome = run(config, overwrite, JointExtension(config, on_progress))
    if outcome.was_complete and config.mask_identifiers:
        # As for its report: a later start of the same run writes the page so.
        redraw_masked(outcome.folder, prepare_data(config).table.part("test" if config.test else "validation"))
    return outcome


def load_joint(folder: str | Path, decoder: str = "") -> JointModel:
    """Load a finished joint run.

    Parameters
    ----------
    folder : str or Path
        The run folder.
    decoder : str
        Where the base model lies, if not where the run's settings say.

    Raises
    ------
    RunError
        If the folder holds no finished joint run.
    ConfigError
        If the base model is missing or another one.
    """
    loaded = load_run(folder)
    if not isinstance(loaded.config, JointConfig):
        raise RunError(f"{folder}: its classifier does not explain. Give a folder that generate.py joint printed.")
    place = decoder or loaded.config.explanation.decoder
    return JointModel(loaded, load_explainer(Path(folder) / EXPLAINER, place))


def _without_experts(config: JointConfig) -> JointConfig:
    """Return the settings of a run that leaves out the posts of the sets under `explanation.keep_out`."""
    dataset = find_dataset(config.data, config.columns).config
    kept_out = sets_kept_out(dataset, config.explanation.keep_out)
    for name in kept_out:
        kept = load_table(name, data_root=config.data_root, mask=config.mask)
        # The audit keeps out test posts alone: a set that has others would be kept out by halves.
        if learnt := int((kept.frame["split"] != "test").sum()):
            raise ConfigError(
                f"explanation: keep_out: {kept.config.name} has {learnt} train and validation rows, which would be "
                "learnt. Name a set that has a test part only."
            )
    against = tuple(dict.fromkeys([*config.audit.against, *kept_out]))
    return replace(config, audit=replace(config.audit, against=against))


def _read_partial(partial: Path) -> dict[int, str]:
    written: dict[int, str] = {}
    if not partial.is_file():
        return written
    for line in partial.read_text(encoding="utf-8").split("\n"):
        try:
            written |= {int(row): str(text) for row, text in json.loads(line)} if line else {}
        except json.JSONDecodeError:
            logger.info("%s: a line that was cut off is written again", partial.name)
    return written


def _answers(explainer: Explainer, part: PostTable, found: NetworkPredictions, written: Mapping[int, str]) -> Answers:
    """Return labels and explanations in the form of a prompting run's answers."""
    decisions = []
    for row, target in enumerate(found.decisions.tolist()):
        options = (target,) if isinstance(target, int) else tuple(i for i, on in enumerate(target) if on)
        chances = tuple(found.probabilities[row].astype(float).tolist())
        said = ({"explanation": written[row]},)
        decisions.append(Decision(options, chances, ("classifier",), said=said, explanation=written[row]))
    return Answers(part, (explainer.settings.question,), (tuple(decisions),))
