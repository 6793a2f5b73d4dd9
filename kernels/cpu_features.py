"""The processor's vector width, and the shape of the register tile that suits it.

NUMBA_CPU_NAME and NUMBA_CPU_FEATURES are honoured as Numba honours them, so the AVX2 path can be
run on a wider machine.
"""

import platform

from llvmlite import binding
from numba.core import config


def _features():
    if config.CPU_FEATURES is not None:
        return {f[1:] for f in config.CPU_FEATURES.split(",") if f.startswith("+")}
    if config.CPU_NAME not in (None, "host"):
        return set()
    return {name for name, on in binding.get_host_cpu_features().items() if on}


def _shape():
    """Bytes per vector, rows per register tile.

    A tile is two vectors wide. rows x 2 accumulators, 2 vectors of B and 1 broadcast of A must fit
    the register file: 32 registers on AVX-512 and NEON, 16 on AVX2.
    """
    features = _features()
    if "avx512f" in features:
        return 64, 14
    if "avx2" in features and "fma" in features:
        return 32, 6
    return 16, 12 if platform.machine().lower() in ("arm64", "aarch64") else 6


VECTOR_BYTES, TILE_ROWS = _shape()
AVX512 = VECTOR_BYTES == 64
TILE_VECTORS = 2
X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
