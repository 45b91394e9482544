"""Every numba function of segdata, and nothing else. Callers pass arrays; kernels raise nothing and print nothing."""

from __future__ import annotations

import sys

# With its first kernel numba loads scipy.linalg if scipy is installed. That takes 0.1 to 0.2 s in every process, only to choose
# between two ways to an inner product, and no kernel here computes one. Numba's own linear algebra looks for scipy again when it
# is used, so nothing is lost.
if "numba.np.arraymath" not in sys.modules and "scipy.linalg" not in sys.modules:
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy.linalg"]
