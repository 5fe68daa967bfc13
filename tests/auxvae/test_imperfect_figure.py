"""The figure of imperfect auxiliary variables: what is a level, what is a standard, and where the points stand."""

import numpy as np
import pandas as pd
import pytest

from auxvae.config.imperfect import Imperfect
from auxvae.config.labels import labels
from auxvae.report.imperfect import imperfect_figure, level_of
from tests.conftest import study_of

LDS = {0.1: 0.9, 0.5: 0.7, 2.0: 0.5}


@pytest.fixture
def runs(config):
    """A β-VAE, a perfect Aux-VAE, three levels of noise, and noise in one factor alone; two seeds each."""
    aux = {"method": "aux_vae", "coverages": "three", "seeds": [0, 1]}
    config["coverages"] = {"three": ["radius", "g1", "g2"]}
    noisy = [{**aux, "label": f"noise_{i}", "imperfect": {"noise": each}} for i, each in enumerate(LDS)]
    partial = {**aux, "label": "radius", "imperfect": {"noise": 0.1, "of": "radius"}}
    config["runs"] = [{"method": "beta_vae", "seeds": [0, 1]}, aux, *noisy, partial]
    return study_of(config)[1].runs


def scores_of(runs):
    """LDS by the level of noise, a hundredth apart in the two seeds; 1 where nothing is imperfect."""
    rows = []
    for run in runs:
        noise = run.settings.imperfect.noise if run.settings.imperfect else None
        value = LDS.get(noise, 1.0 if run.aux else 0.4) - 0.01 * run.seed
        rows.append({"run": run.id, "metric": "lds_sampled_corrected", "value": value, "low": 0, "high": 1, "se": 0.1})
    return pd.DataFrame(rows)


def test_points_stand_at_the_mean_of_their_level_and_standards_lie_across(runs):
    ax = imperfect_figure(scores_of(runs), runs, labels(runs)).axes[0]
    lines = {line.get_label(): line for line in ax.get_lines()}
    (points,) = (bars.lines[0] for bars in ax.containers)
    np.testing.assert_allclose(points.get_xdata(), sorted(LDS))
    np.testing.assert_allclose(points.get_ydata(), [LDS[each] - 0.005 for each in sorted(LDS)])
    assert lines["beta_vae, given none"].get_ydata()[0] == pytest.approx(0.395)
    assert lines["aux_vae, perfect"].get_ydata()[0] == pytest.approx(0.995)


def test_a_study_of_perfect_variables_has_a_sentence_in_place_of_panels(runs):
    perfect = tuple(run for run in runs if run.settings.imperfect is None)
    figure = imperfect_figure(scores_of(perfect), perfect, labels(perfect))
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "No run of this study has imperfect auxiliary variables."
    ]


def test_a_level_is_one_imperfection_of_all_factors():
    assert level_of(None) == ("", 0)
    assert level_of(Imperfect(observed=0.1)) == ("observed", 0.1)
    assert level_of(Imperfect(noise=0.1, bias=0.1)) is None
    assert level_of(Imperfect(noise=0.1, of=("flux",))) is None
