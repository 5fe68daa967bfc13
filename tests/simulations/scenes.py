"""Data sets of every profile, PSF, noise, distribution and unit, with ordinary and extreme numbers, for hypothesis."""

import itertools

from hypothesis import strategies as st

from simulations.galaxy import GALAXIES, PSFS
from simulations.parameters import DEFAULTS, PARAMETERS, REQUIRED

USUAL = {
    "flux": (1e3, 1e5), "radius": (0.2, 1.2), "bulge_radius": (0.2, 0.6), "bulge_fraction": (0, 1), "g1": (-0.4, 0.4),
    "g2": (-0.3, 0.3), "offset_x": (-1, 1), "offset_y": (-1, 1), "sersic_index": (0.5, 4), "psf_fwhm": (0.4, 1),
    "psf_beta": (2.5, 4),
}  # fmt: skip
HUGE = [0, 1e-310, 1e-30, 1e-6, 1e-3, 0.04, 0.5, 0.99, 1.2, 3, 20, 300, 1e6, 1e12, 1e18, 1e300]
NUMBERS = st.sampled_from([*HUGE, *(-x for x in HUGE)]) | st.floats(-1e4, 1e4) | st.floats(allow_nan=False)


@st.composite
def factors(draw, name):
    """A factor in its usual range, that range scaled, or anything."""
    low, high = (x * draw(st.sampled_from([*[1] * 40, 0.1, 1e-3, 30])) for x in USUAL[name])
    if draw(st.integers(0, 40)) == 7:
        low, high = draw(NUMBERS), draw(NUMBERS)
    bounds, bell = {"low": low, "high": high}, {"mean": (low + high) / 2, "std": abs(high - low) / 4}
    if draw(st.integers(0, 40)) == 7:
        bell = {"mean": draw(NUMBERS), "std": draw(NUMBERS)}
    unit = draw(
        st.sampled_from([*[next(iter(PARAMETERS[name].units))] * 40, *PARAMETERS[name].units, "arcseconds", ""])
    )
    kinds = {"uniform": bounds, "log_uniform": bounds, "normal": bell, "truncated_normal": {**bounds, **bell}}
    kind = draw(st.sampled_from([*kinds]))
    return {"distribution": kind, "unit": unit, **kinds[kind]}


@st.composite
def constants(draw, name):
    """A constant in its usual range or anything."""
    return draw(NUMBERS) if draw(st.integers(0, 80)) == 7 else draw(st.floats(*USUAL[name]))


NOISES = st.one_of(
    st.just({}),
    st.builds(lambda sky: {"kind": "poisson", "sky": sky}, st.sampled_from([0, 10, 1e6]) | NUMBERS),
    st.builds(lambda sigma: {"kind": "gaussian", "sigma": sigma}, st.sampled_from([1, 30, 1e-3]) | NUMBERS),
    st.builds(lambda snr: {"kind": "gaussian", "snr": snr}, st.sampled_from([1, 30, 1e3]) | NUMBERS),
    st.sampled_from(["poisson", 3, None, {"kind": "poison"}]),
)


@st.composite
def datasets(draw):
    """A data set of two to four factors as a config would hold it."""
    galaxy, psf = draw(st.sampled_from([*itertools.product(GALAXIES, PSFS)]))
    names = [*REQUIRED[galaxy], *DEFAULTS, *(["psf_beta"] if psf == "moffat" else [])]
    varied = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    scene = {
        "galaxy": galaxy,
        "psf": psf,
        "radius": draw(st.sampled_from(["half_light", "half_light", "scale"])),
        "stamp": draw(st.sampled_from([*[64] * 20, 33, 128, 8, 512, -1, 600])),
        "pixel_scale": draw(st.sampled_from([*[0.2] * 20, 0.05, 1, 1e-310, 1e300])),
        "constants": {name: draw(constants(name)) for name in names if name not in varied},
    }
    return {
        "galaxies": draw(st.sampled_from([*[2048] * 20, 64, 2**30, -1, 10**12])),
        "design": draw(st.sampled_from(["latin_hypercube", "random", "sobol"])),
        "scene": scene,
        "noise": draw(NOISES),
        "factors": {name: draw(factors(name)) for name in varied},
    }
