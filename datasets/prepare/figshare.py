"""Brain tumours of Cheng et al. (2015) on Figshare: 3,064 T1-weighted slices with contrast agent, of 233 patients.

One MATLAB file a slice (`1.mat` to `3064.mat`, version 7.3; older versions are read too): `cjdata.image`, `cjdata.tumorMask` and
`cjdata.PID`, the patient. Slices are axial, coronal and sagittal. Images have no stated grey window: each slice is stretched from
its smallest to its largest value. Fields and counts: the archive's README; licence: figshare.com.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prsbench.datasets.prepare.source import Source
from prsbench.harness.contract.errors import DataError, MissingPrerequisite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from prsbench.datasets.official_writer import Item


def find(root: Path) -> Iterator[Item]:
    """Every slice, in the order of the numbers."""
    from prsbench.datasets.official_writer import Item
    from prsbench.datasets.prepare.layout import files_below

    files = [file for _, file in files_below(root) if file.suffix.lower() == ".mat" and file.stem.isdecimal()]
    if not files:
        raise DataError(f"{root}: expected <n>.mat, found nothing like it. Give the folder or the zip of the archive.")
    for file in sorted(files, key=lambda file: (int(file.stem), file)):
        yield Item(file.stem, _patient(_fields(file, ("PID",))["PID"], file), partial(load, file), None, (file,))


def load(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Image (H, W, 3) and mask (H, W) of one slice."""
    import numpy as np

    fields = _fields(path, ("image", "tumorMask"))
    image, mask = fields["image"].astype(float), fields["tumorMask"]
    if image.ndim != 2 or image.shape != mask.shape or not np.isin(mask, (0, 1)).all() or not np.isfinite(image).all():
        raise DataError(
            f"{path}: expected cjdata.image and cjdata.tumorMask of one size, the mask of 0 and 1, got sizes {image.shape} and "
            f"{mask.shape}. Restore the file from its archive."
        )
    span = np.ptp(image) or 1
    grey = np.round((image - image.min()) * (255 / span)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), mask.astype(bool)


def _fields(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Arrays of the struct cjdata, as MATLAB shows them."""
    import numpy as np

    with path.open("rb") as stream:
        is_hdf5 = stream.read(128).startswith(b"MATLAB 7.3")
    try:
        if not is_hdf5:
            from scipy.io import loadmat

            struct = loadmat(path, variable_names=["cjdata"])["cjdata"][0, 0]
            return {name: np.asarray(struct[name]) for name in names}
        import h5py

        with h5py.File(path) as file:
            return {name: np.asarray(file["cjdata"][name]).T for name in names}  # HDF5 stores columns first
    except ImportError as error:
        raise MissingPrerequisite(f"{path} needs h5py: pip install 'prsbench[volumes]'.") from error
    except Exception as error:  # a broken file can make a decoder raise almost anything
        raise DataError(
            f"{path}: expected a MATLAB file with cjdata, got '{error}'. Restore the file from its archive."
        ) from error


def _patient(pid: NDArray[Any], path: Path) -> str:
    """The patient's name; version 7.3 stores text as numbers of its characters."""
    text = "".join(str(part) if isinstance(part, str) else chr(part) for part in pid.ravel().tolist()).strip()
    if not text or not text.isprintable():
        raise DataError(f"{path}: expected a patient in cjdata.PID, got {text!r}. Restore the file from its archive.")
    return text


SOURCE = Source(
    title="Brain tumours of Cheng on Figshare, <n>.mat",
    modality="brain_mri",
    find=f"{__name__}:find",
    case="patient (cjdata.PID)",
    images=3064,
    cases=233,
    licence="CC BY 4.0",
    citation="Cheng et al.: Enhanced performance of brain tumor classification via tumor region augmentation and partition. PLOS "
    "ONE 10(10), 2015. doi:10.6084/m9.figshare.1512427.",
    url="https://doi.org/10.6084/m9.figshare.1512427",
    defects=("Slices have two sizes (512 x 512, few 256 x 256) and three planes.",),
)
