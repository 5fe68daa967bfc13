"""How long the searches of hypothesis are, and what every sentence that they meet must be.

AUXVAE_EXAMPLES=2000 runs every search that long, with other examples than those of every day.
"""

import os

from hypothesis import HealthCheck, settings


def plenty(examples):
    """So many examples, always the same ones, each as slow as it is."""
    wanted = os.environ.get("AUXVAE_EXAMPLES")
    health = list(HealthCheck)
    return settings(
        max_examples=int(wanted or examples), derandomize=wanted is None, deadline=None, suppress_health_check=health
    )


def sentences_of(refused, longest=1000):
    """The faults of a refusal, each a printable sentence on one line that says what was found."""
    sentences = [str(fault) for fault in refused.faults]
    assert all(": found " in each and each.isprintable() and len(each) < longest for each in sentences), sentences
    return sentences
