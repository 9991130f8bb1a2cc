"""One named random stream per cause, so that rival policies meet the same luck.

Common random numbers: a stream depends on the run's seed and on its own name only, never on how
many draws another cause has made. Two policies under one seed therefore see the same arrivals and
the same failures of the same parts, and their paired difference needs far fewer replications.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of one cause under one seed.

    Parameters
    ----------
    seed : int
        The run's seed, 0 or above.
    name : str
        The cause, for example ``"arrivals"`` or ``"failures/gpu"``.

    Returns
    -------
    numpy.random.Generator
        PCG64, the same on every platform and in every process.

    Notes
    -----
    The name enters by its BLAKE2b digest: Python's ``hash`` differs between processes.
    """
    key = int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))
