"""What a run is given beside every image, encoder and decoder alike, without a latent for it: the PSF, say.

    q(z|x, c),  p(x|z, c)        c: the factors and columns of the store that `inputs` names, of the image's own row

They are factors of the data set, columns that a converted store has beside them (`psf`, `psf_fwhm`, `pixel_scale`), and
variables that a study declares (config.auxiliaries): noise, say, of which nothing is learned, as a control. A run that
is given the PSF need not guess it from the image, nor keep it in its latents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from auxvae.config.methods import METHODS, Method
from foundation.faults import Fault, listed, suggest

STAMP = "psf"  # the column that holds an image of its own in every row
ELSEWHERE = "name one of them, or convert the images with --psf or --psf-fwhm"


def takes_inputs(method: Method) -> bool:
    """Whether the networks of a method read more than the image: those of autoencoders without a context module."""
    return method.family == "autoencoder" and not method.module


def input_faults(group: Any, where: str, config: Any, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """Inputs that the method does not read, that the data set does not have, or that are auxiliary variables too.

    group: a group of runs (config.spec.Group). dataset: the facts of its data set, empty if they are not known.
    """
    if group.inputs and not takes_inputs(METHODS[group.method]):
        able = [name for name, method in METHODS.items() if takes_inputs(method)]
        text = f"{group.method} reads the image alone; what is beside it is read by {listed(able)}"
        yield Fault(f"{where}.inputs", listed(group.inputs), text, "take it away, or take another method")
        return
    factors = group.inputs if dataset.get("doubtful", not dataset) else dataset["factors"]
    columns = [*dict.fromkeys((*factors, *dataset.get("columns", ()), *config.auxiliaries))]
    for i, name in enumerate(group.inputs):
        if name not in columns:
            text = f"{dataset['name']} has beside every image {listed(columns)}"
            yield Fault(f"{where}.inputs[{i}]", name, text, suggest(name, columns, ELSEWHERE))
        elif name in group.inputs[:i]:
            yield Fault(f"{where}.inputs[{i}]", name, "an input stands once", "take the second away")
        yield from _coverage_faults(group, f"{where}.inputs[{i}]", config, name)
    if (group.training or config.training).augment:
        yield from _augmented_faults(group, where, dataset)


def _coverage_faults(group: Any, where: str, config: Any, name: str) -> Iterator[Fault]:
    """An input for which a coverage reserves a latent, which its decoder would not need."""
    for coverage in group.coverages:
        if name in config.coverages.get(coverage, ()):
            text = f"the coverage {coverage} has a latent for it, which a decoder that is given it does not need"
            yield Fault(where, name, text, "take it out of the coverage, or out of the inputs")


def _augmented_faults(group: Any, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """Inputs that are others once the image is turned or mirrored."""
    flipped = {name for each in dataset.get("symmetries", ()) for name in each["flips"]}
    kinds = [kind for kind in dataset.get("kinds", ()) if kind["factor"] in group.inputs]
    turned = {STAMP, *flipped, *(each["factor"] for each in kinds)}
    for name in (each for each in group.inputs if each in turned):
        text = "augmentation turns and mirrors the images, and not what is beside them"
        yield Fault(f"{where}.inputs", name, text, "take it away, or write augment: false")
