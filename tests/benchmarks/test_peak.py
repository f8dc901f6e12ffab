import subprocess
import sys

import pytest

from benchmarks import peak

HOLD = "import time; held = b'x' * (200 << 20); time.sleep(2)"


@pytest.mark.slow
def test_memory_of_processes_beside_each_other_is_added_up(monkeypatch):
    monkeypatch.setattr(peak, "EVERY", 0.1)
    with peak.watch_children() as most:
        processes = [subprocess.Popen([sys.executable, "-c", HOLD]) for _ in range(2)]
        for process in processes:
            process.wait()
    assert 0.39 < most[0] < 1
