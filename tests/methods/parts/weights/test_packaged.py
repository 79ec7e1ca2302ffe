import pytest
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.weights.packaged import EFFICIENTNET_LITE0, MINILM, PackagedFile, locate


@pytest.mark.parametrize("file", [EFFICIENTNET_LITE0, MINILM], ids=lambda f: f.package)
def test_the_packaged_bytes_are_the_ones_we_know(file):
    assert locate(file) is not None


def test_changed_bytes_are_an_error_with_instructions():
    tampered = PackagedFile(MINILM.package, MINILM.requirement, MINILM.path, "0" * 64)
    with pytest.raises(PrsbenchError, match="force-reinstall"):
        locate(tampered)


def test_a_package_that_is_not_installed_is_none():
    assert locate(PackagedFile("no_such_package_here", "x", "y", "0" * 64)) is None
