"""What a wrong PSF does to a run that is given it beside every image.

    python benchmarks/psf_input.py RUN STORE

RUN is a run with `inputs: [psf_fwhm]` (config/psf_input.yaml), STORE a simulated store like its own. The width of every
image is multiplied by a number, or is that of another image; printed are bias and scatter of every factor over those of
the true width, in units of the latter, and the share of the images that `domain` would call outside at a rate of 1 %.
"""

import sys
from pathlib import Path

import numpy as np

from auxvae.analysis.domain import reconstructed
from auxvae.analysis.measure import encoded, measured_factors, true_factors
from auxvae.analysis.surveyed import read_trained
from auxvae.data.store import Store
from auxvae.data.survey import open_survey
from auxvae.metrics.domain import Domain, combined
from auxvae.metrics.measurement import robust_scatter

IMAGES = 4000
WRONG = {"true": 1.0, "2 % wider": 1.02, "5 % wider": 1.05, "10 % wider": 1.1, "20 % wider": 1.2, "another's": 0.0}


class WithWrongPsf(Store):
    """A store whose widths of the PSF are multiplied by a factor, or by 0 exchanged among its images."""

    def __init__(self, store, factor):
        """The same arrays."""
        vars(self).update(vars(store), factor=factor)

    def column(self, name, rows):
        """Wrong widths."""
        if self.factor:
            return self.factor * super().column(name, rows)
        return super().column(name, np.arange(len(self.split)))[::-1][rows]


def main(folder, path):
    """Print a line for each kind of width."""
    trained = read_trained(Path(folder).resolve(), None)
    names, store = measured_factors(trained), open_survey(Path(path), trained.store, trained.run.settings.inputs)
    rows = np.arange(min(IMAGES, len(store.split)))
    true = {name: values[rows] for name, values in true_factors(trained, store, names).items()}
    fitted = Domain.of(reconstructed(trained, trained.store, trained.store.numbers("validation")))
    scatter = {}
    print(f"{'width':<12}{'outside':>9}" + "".join(f"{name:>22}" for name in names))
    for label, factor in WRONG.items():
        wrong = WithWrongPsf(store, factor)
        errors = {name: mean - true[name] for name, mean in encoded(trained, wrong, rows, names).mean.items()}
        outside = (combined(fitted.p_values(reconstructed(trained, wrong, rows))) <= 0.01).mean()
        scatter = scatter or {name: robust_scatter(each) for name, each in errors.items()}
        both = (f"{np.median(e) / scatter[n]:+.2f}, {robust_scatter(e) / scatter[n]:.2f}" for n, e in errors.items())
        print(f"{label:<12}{outside:>9.3f}" + "".join(f"{each:>22}" for each in both))


if __name__ == "__main__":
    main(*sys.argv[1:])
