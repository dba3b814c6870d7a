"""Where the rows of a data set come from: files here, public addresses, or a hub."""

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from mhclf.errors import ConfigError

Format = Literal["auto", "csv", "tsv", "json", "jsonl", "parquet", "xlsx", "eraser", "imhi"]
Fault = Literal["empty_text", "empty_label", "damaged_text"]

TABLE_ENDINGS = ("csv", "tsv", "json", "jsonl", "parquet", "xlsx")
"""Endings of files that are tables by themselves, each also before `.gz`."""


def is_table_file(name: str) -> bool:
    """Return whether a data set's name is the path of a data file, by its ending."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    if suffixes[-1:] == [".gz"]:
        del suffixes[-1]
    return bool(suffixes) and suffixes[-1].lstrip(".") in TABLE_ENDINGS


def table_name(name: str) -> str:
    """Return the data set's name that the path of a data file stands for: the file's, without endings."""
    path = PurePath(name)
    stem = path.with_suffix("").stem if path.suffix.lower() == ".gz" else path.stem
    return re.sub(r"[^\w.+-]+", "_", stem) or "data"


@dataclass(frozen=True)
class FileConfig:
    """One file, with what sets it apart from its neighbours.

    Attributes
    ----------
    path : str
        Looked up beside the YAML, then under the data root; may be left out where `url` is given.
    url, sha256 : str
        Public address and hash of the original: fetched, verified and cached where no file lies at `path`.
    format : str
        `auto` takes it from the file's ending.
    encoding : str
        Of text formats. `mixed` reads UTF-8 with single Windows-1252 bytes among it.
    rename : mapping
        Column of this file -> column that the YAML names.
    documents : str
        For `eraser`: the jsonl file with the texts.
    questions : mapping
        0/1 column -> question: every row becomes one row a question, with the columns `question`, `answer` (yes, no).
    """

    path: str = ""
    url: str = ""
    sha256: str = ""
    format: Format = "auto"
    encoding: str = "utf-8"
    rename: dict[str, str] = field(default_factory=dict)
    documents: str = ""
    questions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.path and not self.url:
            raise ConfigError("source: a file needs 'path' or 'url'.")
        if bool(self.url) != bool(self.sha256):
            raise ConfigError(
                "source: give 'url' and 'sha256' together; the hash proves that the file is the one meant."
            )
        if self.sha256 and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ConfigError(f"source: sha256: '{self.sha256[:20]}...' is not 64 digits of 0-9 and a-f.")

    @property
    def name(self) -> str:
        """The path, or the address where there is none."""
        return self.path or self.url


@dataclass(frozen=True)
class HubConfig:
    """A data set on the Hugging Face hub.

    Attributes
    ----------
    repository : str
        `owner/name`, or a folder here.
    splits : mapping
        Our split name -> the repository's.
    """

    repository: str
    revision: str = "main"
    splits: dict[str, str] = field(
        default_factory=lambda: {"train": "train", "validation": "validation", "test": "test"}
    )


FileEntry = str | FileConfig


@dataclass(frozen=True)
class SourceConfig:
    """Where the rows are: `files`, or one `url` with `sha256`, or `hub`.

    Attributes
    ----------
    files : str, mapping or list
        One file, several (their rows joined), or split name -> one or several.
    format : str
        For all files that do not say their own.
    where : mapping
        Column -> value or list of values that a row must have to be taken.
    leave_out : list of str
        Rows with these known faults are left out, counted and listed, instead of stopping: `empty_text`,
        `empty_label`, `damaged_text` (a cell that its kind cannot read).
    added_to_train : list
        Files whose rows are only ever trained on, minus those whose text the set itself has.
    """

    files: str | FileConfig | tuple[FileEntry, ...] | dict[str, FileEntry | tuple[FileEntry, ...]] | None = None
    url: str = ""
    sha256: str = ""
    hub: HubConfig | None = None
    format: Format = "auto"
    where: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    leave_out: tuple[Fault, ...] = ()
    added_to_train: tuple[FileEntry, ...] = ()

    def __post_init__(self) -> None:
        if self.files is not None and not self.files:
            raise ConfigError("source: files: is empty. Give one file, or a line 'split: file' for each split.")
        given = [name for name in ("files", "url", "hub") if getattr(self, name)]
        if len(given) != 1:
            raise ConfigError(
                f"source: {' and '.join(given) or 'nothing'} given. Give one of 'files', 'url' with 'sha256', or 'hub'."
            )
        if self.url:
            FileConfig(url=self.url, sha256=self.sha256)
        for split, entries in self.files_by_split():
            if not entries:
                raise ConfigError(f"source: files: {split}: lists no file.")
            for file in entries:
                kind = self.format if file.format == "auto" else file.format
                if kind == "eraser" and not file.documents:
                    raise ConfigError("source: 'format: eraser' needs 'documents', the jsonl file with the texts.")

    def files_by_split(self) -> list[tuple[str, list[FileConfig]]]:
        """Return (split or '', files) in the YAML's order; nothing for a hub."""
        if self.url:
            return [("", [FileConfig(url=self.url, sha256=self.sha256, format=self.format)])]
        if self.files is None:
            return []
        named = self.files.items() if isinstance(self.files, dict) else [("", self.files)]
        return [(split, self._file_list(entry)) for split, entry in named]

    def added_files(self) -> list[FileConfig]:
        """Return the files of `added_to_train`."""
        return self._file_list(self.added_to_train)

    def _file_list(self, entry: FileEntry | tuple[FileEntry, ...]) -> list[FileConfig]:
        entries = entry if isinstance(entry, tuple) else (entry,)
        return [FileConfig(path=item) if isinstance(item, str) else item for item in entries]
