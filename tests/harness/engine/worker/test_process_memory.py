"""A worker holds freed memory, because asking the system again costs page faults, and returns it between its jobs."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from prsbench.harness.contract.memory import return_freed_memory
from prsbench.harness.engine.worker.process import prepare_process

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

prepare_process(1)
np.ones(12 * 2**20)  # 96 MiB, freed at once
held, faults = resident_mib(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(12 * 2**20)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
return_freed_memory()
print(faults, held - resident_mib())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is what is told")
def test_freed_memory_is_used_again_without_page_faults_and_handed_back_when_asked():
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    faults, returned_mib = map(float, said.split())
    assert faults < 100  # five times 96 MiB would be 120,000 pages
    assert returned_mib > 90
