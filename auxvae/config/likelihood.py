"""What a run's likelihood asks of the images, and their noise and weights of it: said before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from auxvae.config.methods import METHODS
from auxvae.config.spec import Group
from foundation.faults import Fault, listed


def likelihood_faults(group: Group, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """What the noise of the images and the likelihood ask of each other."""
    name, weighed = dataset["name"], dataset.get("weights", ())
    if weighed and METHODS[group.method].family == "score":
        text = f"{name} has {listed(weighed)} of its pixels, and a score-based autoencoder no likelihood to weigh them"
        yield Fault(f"{where}.method", group.method, text, "take another method, or convert the images without them")
    if group.likelihood == "noise" and dataset["noise"] == "none" and "inverse_variance" not in weighed:
        text = f"{name} has no noise, so no likelihood follows from it"
        yield Fault(f"{where}.likelihood", "noise", text, "write gaussian with a sigma, bernoulli, or log10")
    if group.likelihood == "bernoulli" and dataset["noise"] != "none":
        text = f"{name} has {dataset['noise']} noise, and bernoulli takes images of 0 to 1"
        yield Fault(f"{where}.likelihood", "bernoulli", text, "write noise, gaussian with a sigma, or log10")
    if group.likelihood == "counts" and dataset["noise"] == "gaussian":
        text = f"{name} has gaussian noise, so its pixels are no counts"
        yield Fault(f"{where}.likelihood", "counts", text, "write noise, or gaussian with a sigma")
    sky = dataset.get("sky") or 0
    if group.likelihood == "poisson" and (dataset["noise"] == "gaussian" or sky > 0):
        reason = f"a sky of {sky:g} photons was subtracted" if sky else "it has gaussian noise"
        text = f"pixels of {name} lie below 0, since {reason}, and poisson takes counts over no sky"
        yield Fault(f"{where}.likelihood", "poisson", text, "write counts or noise" if sky else "write noise")
