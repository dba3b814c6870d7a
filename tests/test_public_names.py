"""What `import mhclf` offers: lazily, and without torch."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import mhclf

REPOSITORY = Path(__file__).resolve().parents[1]


def test_every_public_name_is_there():
    for name in mhclf.__all__:
        assert callable(getattr(mhclf, name)), name
        assert name in dir(mhclf)
    from mhclf.data.hub import load_dataset
    from mhclf.training.saved import load_run

    assert mhclf.load_run is load_run
    assert mhclf.load_dataset is load_dataset
    with pytest.raises(AttributeError, match="module 'mhclf' has no attribute 'nothing'"):
        mhclf.nothing


def test_importing_takes_no_time_and_no_torch():
    code = (
        "import sys, time; start = time.perf_counter(); import mhclf; seconds = time.perf_counter() - start; "
        "assert not {'torch', 'pandas', 'sklearn', 'transformers'} & set(sys.modules); print(seconds)"
    )
    times = []
    for _ in range(5):
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
        times.append(float(found.stdout))
        if times[-1] < 0.2:
            break
        time.sleep(0.5)
    assert min(times) < 0.2
