"""Ellipticities of every convention are the reduced shears that GalSim has for them."""

import galsim
import numpy as np
import pytest

from foundation.faults import Refused
from simulations.convert import convert
from simulations.ellipticity import reduced_shear
from simulations.sources.options import Options

G = np.random.default_rng(7)
SIZES, ANGLES = np.r_[0.0, 0.999, G.uniform(0, 0.95, 40)], G.uniform(0, 2 * np.pi, 42)
SHEARS = [galsim.Shear(g=size, beta=angle / 2 * galsim.radians) for size, angle in zip(SIZES, ANGLES, strict=True)]


def column(name):
    return np.array([getattr(shear, name) for shear in SHEARS])


def moments():
    """Second moments of the sheared unit circle, S S^T."""
    matrices = np.array([shear.getMatrix() for shear in SHEARS])
    tensors = 3.7 * matrices @ matrices.transpose(0, 2, 1)
    return tensors[:, 0, 0], tensors[:, 1, 1], tensors[:, 0, 1]


CONVENTIONS = {
    "distortion": (column("e1"), column("e2")),
    "reduced_shear": (column("g1"), column("g2")),
    "moments": moments(),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_is_converted_as_galsim_does(convention):
    g1, g2 = reduced_shear(convention, *CONVENTIONS[convention])
    np.testing.assert_allclose(g1, column("g1"), atol=1e-7)
    np.testing.assert_allclose(g2, column("g2"), atol=1e-7)


def source(folder, **columns):
    np.savez(folder / "x.npz", image=G.random((42, 8, 8)), **columns)
    return folder / "x.npz"


def run(path, option, store="s.zarr", **changes):
    settings = {"images": "image", "factors": "", "units": [], "noise": "none", "seed": 0, **changes}
    convert(path, path.parent / store, **settings, options=Options(ellipticity=option))


def test_the_columns_become_the_factors_g1_and_g2(tmp_path):
    import xarray as xr

    run(source(tmp_path, a=column("e1"), b=column("e2"), z=G.random(42)), "a,b=distortion")
    store = xr.open_zarr(tmp_path / "s.zarr")
    assert sorted(store.attrs["factors"]) == ["g1", "g2", "z"]
    np.testing.assert_allclose(store["g1"], column("g1"), atol=1e-7)


REFUSED = {
    "a,b=distortion": (
        {"a": np.r_[1.0, SIZES[1:]], "b": 0 * SIZES},
        "1 rows that are no ellipses, such as row 0",
    ),
    "a,b=reduced_shear": ({"a": SIZES, "b": np.r_[-1.2, SIZES[1:] * 0]}, "an ellipticity is below 1"),
    "a,b,c=moments": ({"a": SIZES, "b": -SIZES, "c": SIZES}, "42 rows that are no ellipses"),
    "a,b=shape": ({"a": SIZES, "b": SIZES}, "the conventions are distortion, reduced_shear, moments"),
    "a,b=moments": ({"a": SIZES, "b": SIZES}, "moments has 3 columns"),
    "a,x=distortion": ({"a": SIZES, "b": SIZES}, "the columns are image, a, b"),
    "a,c=distortion": ({"a": SIZES * 0.9, "c": SIZES * 0, "g1": SIZES}, "rename that column"),
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_is_no_ellipticity_is_refused(tmp_path, option):
    columns, expected = REFUSED[option]
    with pytest.raises(Refused) as refused:
        run(source(tmp_path, **columns), option)
    assert len(refused.value.faults) == 1 and expected in str(refused.value)
    assert not (tmp_path / "s.zarr").exists()
