"""A digital twin of AI datacenters: ``load``, ``run``, ``compare``, ``sweep``, ``Results``.

The modules imported here import what is heavy only when they are called, so ``import twin`` stays
quick. Here they must be: each function has the name of its module and has to hide it.
"""

from twin.compare import compare
from twin.results.store import Results
from twin.run import load, run
from twin.sweep import sweep
from twin.version import __version__

__all__ = ["Results", "__version__", "compare", "load", "run", "sweep"]
