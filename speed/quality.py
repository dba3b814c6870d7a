"""Whether the faster training is as good: macro-F1 on test, over seeds."""

from itertools import count
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score

from mhclf import load_run, train
from mhclf.models.encoder import load_encoder
from mhclf.models.weights import resolve_encoder
from mhclf.results.speed import Sample
from speed.peers import BATCH, load_model, tokenised, train_with_trainer, trainer_arguments
from speed.posts import read_posts, run_config, write_part
from speed.work import WORKS, Work

_EPOCHS, _RATE = 3, 5e-5


@WORKS.register("quality")
class QualityWork(Work):
    """Our plain fine-tuning against Trainer with defaults, on the same posts, epochs and learning rate."""

    title_ours = "finetune"
    title_theirs = "Trainer, defaults"
    kind = "not_worse"
    unit = "macro-F1"
    by_default = False
    guess = 1500.0
    rounds = 3

    def prepare(self) -> None:
        """Write the posts as a data set."""
        self.posts = read_posts(self.data, self.bench.data_root)
        self.size = self.bench.size(len(self.posts.train.texts))
        self.dataset = write_part(self.posts, self.size, self.bench.folder / "data")
        self.test = self.posts.test.first(self.bench.size(len(self.posts.test.texts)))
        self.our_seeds, self.their_seeds = count(1), count(1)
        self.start = train(self._config(99, epochs=1, dataset=self._small())).folder / "model"
        self.tokens = tokenised(self.start, self.posts.train.first(self.size), self.posts.max_length)
        self.settings |= {"posts": self.size, "test": len(self.test.texts), "epochs": _EPOCHS, "batch": BATCH}
        self.settings |= {"learning_rate": _RATE}

    def _small(self) -> Any:
        return write_part(self.posts, min(self.size, BATCH), self.bench.folder / "data")

    def _config(self, seed: int, epochs: int, dataset: Any) -> Any:
        settings: dict[str, Any] = {"seed": seed, "batch": {"size": BATCH}, "trainer": {"epochs": epochs}}
        return run_config(self.bench, dataset, "finetune", **settings, optim={"lr": _RATE, "head_lr": _RATE})

    def ours(self) -> Sample:
        """Train one seed and score test."""
        run = load_run(train(self._config(next(self.our_seeds), _EPOCHS, self.dataset)).folder)
        return Sample(self._score(run.predict_proba(list(self.test.texts)).argmax(axis=1)))

    def theirs(self) -> Sample:
        """Train one seed by Trainer, from the pretrained encoder and a new head, and score test."""
        seed = next(self.their_seeds)
        model = self._fresh(seed)
        arguments = trainer_arguments(
            self.bench.folder / "trainer",
            self.bench.device,
            num_train_epochs=_EPOCHS,
            learning_rate=_RATE,
            seed=seed,
        )
        train_with_trainer(model, self.tokens, arguments)
        return Sample(self._score(self._predicted(model)))

    def _fresh(self, seed: int) -> Any:
        model = load_model(self.start)
        torch.manual_seed(seed)
        model.network.encoder.load_state_dict(load_encoder(resolve_encoder(self.bench.encoder)).state_dict())
        for module in model.network.head.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        return model

    @torch.no_grad()
    def _predicted(self, model: Any) -> np.ndarray:
        model.eval()
        found = []
        posts = tokenised(self.start, self.test, self.posts.max_length)
        for row in posts.rows:
            batch = {key: torch.tensor([value], device=model.device) for key, value in row.items() if key != "labels"}
            found.append(int(model(**batch).logits.argmax()))
        return np.array(found)

    def _score(self, predicted: np.ndarray) -> float:
        return float(f1_score(self.test.targets, predicted, average="macro"))
