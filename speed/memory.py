"""The memory of scoring a file, however long it is."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from mhclf import train
from mhclf.results.speed import Check, Sample
from speed.posts import Part, Posts, made_up_posts, run_config, write_part
from speed.processes import peak_megabytes
from speed.tiny import WORDS, write_tiny_encoder
from speed.work import SYNTHETIC, WORKS, Work

_MANY, _FEW = 1_000_000, 10_000
_LENGTHS = (4, 8)


@WORKS.register("memory")
class MemoryWork(Work):
    """`experiments/predict.py` on many short posts, against itself on few, with a tiny encoder of random weights."""

    title_ours = "predict.py, many posts"
    title_theirs = "predict.py, few posts"
    kind = "more_megabytes"
    unit = "MB"
    aims: ClassVar[Mapping[str, float]] = {"": 150.0}
    guess = 200.0

    @classmethod
    def parts(cls, chosen: list[str]) -> list[str]:
        """Return one part: the posts are made up."""
        return [SYNTHETIC]

    def prepare(self) -> None:
        """Train a tiny run and write both files."""
        texts = made_up_posts(96, _LENGTHS, 0, WORDS)
        part = Part(tuple(texts), tuple(row % 2 for row in range(len(texts))))
        posts = Posts("tiny", ("even", "odd"), 32, part.first(64), Part(part.texts[64:], part.targets[64:]), part)
        bench = replace(self.bench, encoder=str(write_tiny_encoder(self.bench.folder / "tiny")))
        dataset = write_part(posts, 64, self.bench.folder / "data")
        self.run = train(run_config(bench, dataset, "finetune", trainer={"epochs": 1})).folder
        many = self.bench.size(_MANY)
        few = min(_FEW, max(1, many // 4))
        self.many, self.few = (write_posts(self.bench.folder / f"{count}.csv", count) for count in (many, few))
        self.sizes = (many, few)
        self.settings |= {"posts": many, "fewer": few, "made_up_encoder": "1 layer, 16 wide, random"}
        self.settings |= {"words": f"{_LENGTHS[0]} to {_LENGTHS[1]}"}

    def ours(self) -> Sample:
        """Score the long file."""
        return Sample(self._peak(self.many))

    def theirs(self) -> Sample:
        """Score the short one."""
        return Sample(self._peak(self.few))

    def _peak(self, posts: Path) -> float:
        self.output = posts.with_suffix(".scores.csv")
        files = ["--run", str(self.run), "--input", str(posts), "--output", str(self.output)]
        rest = ["--device", self.bench.device, "--overwrite", "--quiet"]
        return peak_megabytes(["experiments/predict.py", *files, *rest])

    def check(self) -> list[Check]:
        """Count the rows that were scored."""
        missing = 0
        for posts, count in zip((self.many, self.few), self.sizes, strict=True):
            with posts.with_suffix(".scores.csv").open(encoding="utf-8") as file:
                missing += abs(count - sum(bool(row["prediction"]) for row in csv.DictReader(file)))
        return [Check("predictions too few or too many", missing, 0)]


def write_posts(path: Path, count: int) -> Path:
    """Write made-up posts as a csv, in pieces, so that this process does not grow."""
    with path.open("w", encoding="utf-8") as file:
        file.write("text\n")
        for start in range(0, count, 50_000):
            size = min(50_000, count - start)
            file.writelines(f"{text}\n" for text in made_up_posts(size, _LENGTHS, start, WORDS))
    return path
