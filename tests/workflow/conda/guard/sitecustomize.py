"""Hide every distribution that the conda environment around this Python does not have: its modules and its metadata.

The environment's Python is that of the tests, which has all of them. CONDA_PREFIX/share/distributions lists those that
are to be seen.
"""

import importlib.metadata
import os
import re
import sys
from pathlib import Path

_SEEN = {path.name for path in Path(os.environ["CONDA_PREFIX"], "share", "distributions").iterdir()}
_OF_MODULE = importlib.metadata.packages_distributions()
_ALWAYS = {"pip", "setuptools", "auxvae"}


def _canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _hidden(names):
    return bool(names) and not {_canonical(name) for name in names} & (_SEEN | _ALWAYS)


class _Guard:
    """A finder that does not find the modules of hidden distributions."""

    def __init__(self, finder):
        """Ask this finder for all others."""
        self.finder = finder

    def __getattr__(self, name):
        """What else a finder is asked for."""
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        """The module, unless it is hidden."""
        if path is None and _hidden(_OF_MODULE.get(name, ())):
            return None
        return self.finder.find_spec(name, path, target)


class _Distribution(importlib.metadata.Distribution):
    """Of which only those are found that the environment has."""

    @classmethod
    def from_name(cls, name):
        """The distribution, unless it is hidden."""
        if _hidden([name]):
            raise importlib.metadata.PackageNotFoundError(name)
        return _from_name(name)


_from_name = importlib.metadata.Distribution.from_name
importlib.metadata.Distribution.from_name = _Distribution.from_name
sys.meta_path[:] = map(_Guard, sys.meta_path)
