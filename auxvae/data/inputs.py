r"""What is beside every image as numbers for a network: factors and columns of its own row (auxvae.config.inputs).

    c_i = (v_i - m) B        m, B: of the training rows, such that each column of c has mean 0 and variance 1 there

v_i are the numbers of row i, one after the other: a factor on a line as it is, an angle or a class as its auxiliary
variables (auxvae.config.kinds), a column of several channels as one number each. Of the stamps of a PSF, each of which
is divided by its sum, B holds the leading principal components: as many as explain SHARE of their variance, at most
MOST. They are fitted to at most FITTED training rows at equal steps; all else to all training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from auxvae.config.inputs import STAMP
from auxvae.config.kinds import Kind
from auxvae.data.encoding import encoded
from foundation.faults import Fault, Refused, Words

SHARE, MOST = 0.99, 8  # of the variance of the stamps, and of their components
FITTED = 4096  # rows whose stamps the components are of
BLOCK = 2048  # rows at a time

Array = Float[ndarray, "N *shape"]
Values = Callable[[str, slice], Array]  # the values of a factor or column of some rows


class InputScaling(NamedTuple):
    """m (V,) and B (V, p) in double, and for each of the p numbers the name of the input that it is of."""

    names: tuple[str, ...]
    mean: Float[Tensor, " V"]
    basis: Float[Tensor, "V p"]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs, each once."""
        return tuple(dict.fromkeys(self.names))


def input_scaling(names: Sequence[str], kinds: Iterable[Kind], values: Values, rows: int, where: str) -> InputScaling:
    """The constants of these inputs, from the values of so many training rows of the data set `where`."""
    scaled = [_constants(name, tuple(kinds), values, rows, where) for name in names]
    columns = tuple(name for name, (_, basis) in zip(names, scaled, strict=True) for _ in basis.T)
    mean, basis = torch.cat([each for each, _ in scaled]), torch.block_diag(*(each for _, each in scaled))
    return InputScaling(columns, mean, basis)


def scaled_inputs(
    scaling: InputScaling | None, kinds: Iterable[Kind], values: Values, rows: int, where: str
) -> Float[Tensor, "N p"]:
    """The numbers c of so many rows, (N, p); (N, 0) without inputs. Refused are values that are not finite."""
    if scaling is None:
        return torch.zeros(rows, 0)
    blocks, several = [], tuple(kinds)
    for start in range(0, rows, BLOCK):
        block = slice(start, min(start + BLOCK, rows))
        raw = torch.cat([_numbers(name, several, values(name, block)) for name in scaling.inputs], 1)
        blocks.append(((raw - scaling.mean) @ scaling.basis).float())
    inputs = torch.cat(blocks) if blocks else torch.zeros(0, len(scaling.names))
    if wrong := int((~inputs.isfinite()).any(1).sum()):
        value = Words(f"values of {' or '.join(scaling.inputs)} that are not finite in {wrong} rows")
        raise Refused(Fault(where, value, "every image has its inputs", "correct or drop those rows"))
    return inputs


def absent(name: str, path: Path) -> Fault:
    """The fault of a store that lacks what a run is given beside every image."""
    remedy = "convert the images with it (--psf, --psf-fwhm, --factors), or name a run that does without"
    return Fault(str(path), Words(f"no {name}"), "the run is given it beside every image", remedy)


def _constants(
    name: str, kinds: tuple[Kind, ...], values: Values, rows: int, where: str
) -> tuple[Float[Tensor, " V"], Float[Tensor, "V p"]]:
    """The constants m and B of one input; refused where it does not vary over the training rows."""
    step = -(-rows // FITTED) if name == STAMP else 1
    raw = _numbers(name, kinds, values(name, slice(0, rows, step)))
    if (raw == raw[0]).all(0).any() if name != STAMP else (raw == raw[0]).all():
        value, allowed = Words("the same in every training row"), "what does not vary tells a model nothing"
        raise Refused(Fault(f"{where}.{name}", value, allowed, "take it out of the inputs"))
    if name == STAMP:
        return _components(raw)
    return raw.mean(0), torch.diag(1 / raw.std(0, correction=0))


def _components(stamps: Float[Tensor, "N V"]) -> tuple[Float[Tensor, " V"], Float[Tensor, "V p"]]:
    """The mean stamp, and the leading components as columns, divided by their standard deviations."""
    from sklearn.decomposition import PCA

    most = min(MOST, *stamps.shape)
    analysis = PCA(most, svd_solver="randomized", random_state=0).fit(stamps.numpy())
    explained = np.cumsum(analysis.explained_variance_ratio_)
    kept = min(int(np.searchsorted(explained, SHARE)) + 1, most)
    scores = analysis.components_[:kept] / np.sqrt(analysis.explained_variance_[:kept])[:, None]
    return torch.from_numpy(analysis.mean_), torch.from_numpy(np.ascontiguousarray(scores.T))


def _numbers(name: str, kinds: tuple[Kind, ...], values: Array) -> Float[Tensor, "N V"]:
    """The numbers of an input in double; stamps have a sum of 1 in each channel."""
    values = np.asarray(values, dtype=np.float64)
    if name == STAMP:
        values = values / values.sum((-2, -1), keepdims=True)
    if values.ndim == 1:
        values = np.stack([*encoded({name: values}, [each for each in kinds if each.factor == name]).values()], 1)
    return torch.from_numpy(values.reshape(len(values), -1))
