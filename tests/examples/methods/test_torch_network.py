"""The worked example of a torch network passes the conformance suite, and learns."""

from pathlib import Path

from prsbench.methods.authoring.conformance import report

EXAMPLE = Path(__file__).parents[3] / "examples" / "methods" / "torch_network.py"


def test_the_example_passes_every_check_of_the_conformance_suite():
    said = []
    assert report(f"{EXAMPLE}:TorchNetwork", said.append), "\n".join(said)
    assert len([line for line in said if line.startswith("passed")]) >= 9
