"""The paired test of guidance: its numbers, its judge, and a study of score-based autoencoders from end to end."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from auxvae.analysis.analyse import is_analysed, judge_of
from auxvae.analysis.files import GUIDED
from auxvae.analysis.guided_runs import LEVELS
from auxvae.metrics.paired import paired
from foundation.files import read_json
from tests.auxvae.models import through
from tests.auxvae.test_score_runs import config_of, group
from tests.conftest import study_of

G = np.random.default_rng(0)


def test_the_gain_is_that_of_each_level_and_half_their_integral_is_in_nats():
    unguided = G.chisquare(5, (400, 6))
    shift = np.array([0.1, 0.1, 0.5, 1.0, 0.5, 0.3])
    test = paired(unguided, unguided - shift, step=1.5)
    np.testing.assert_allclose(test.gain, shift)
    assert test.nats.value == pytest.approx(0.5 * 1.5 * (shift.sum() - 0.2))  # half of either end
    assert test.least.value == pytest.approx(0.1)
    constant = paired(np.ones((9, 9)), np.zeros((9, 9)), step=1.0)
    assert constant.nats.value == pytest.approx(4.0)  # half of a span of 8


def test_intervals_know_that_images_repeat():
    """An image that is hard at every level makes their sum as uncertain as one image is, not as six are."""
    by_image = G.normal(size=(300, 1)).repeat(6, 1)
    test = paired(by_image, np.zeros((300, 6)), step=2.0)
    expected = 5 * by_image[:, 0].std(ddof=1) / np.sqrt(300)
    assert test.nats.se == pytest.approx(expected, rel=1e-6)


def test_intervals_hold_the_truth():
    held = 0
    for k in range(200):
        g = np.random.default_rng(k)
        unguided = g.normal(1.0, 1, (60, 1))
        test = paired(unguided, np.zeros((60, 1)), 1.0)
        held += test.low[0] < 1.0 < test.high[0]
    assert 183 <= held <= 198  # 95 %, within three standard errors


@pytest.fixture(scope="module")
def study():
    """Two seeds of one method, and two runs without a fellow."""
    groups = group("sami", seeds=[0, 1]), group("aux_sami", seeds=[0]), {"method": "sami", **OTHER}
    return study_of(config_of(*groups))[1]


OTHER = {"label": "wider", "diffusion": {"steps": 3, "scale": 2.0}, "seeds": [3]}


def test_the_judge_differs_in_its_seed_alone(study):
    sami = [run for run in study.runs if run.method == "sami" and not run.label]
    assert judge_of(sami[0], study.runs) == sami[1] and judge_of(sami[1], study.runs) == sami[0]
    for run in study.runs:
        if run not in sami:
            assert judge_of(run, study.runs) is None


def test_a_study_goes_the_whole_way(study, tiny_store, tmp_path):
    through(study, tiny_store, tmp_path, workers=2)
    for run in study.runs:
        scores = read_json(tmp_path / "runs" / run.id / "scores.json", "")
        assert ("gain_nats" in scores) == (judge_of(run, study.runs) is not None)
        assert {"gain_own", "rotated_flux", "nearest_flux", "nats", "lds"} <= scores.keys()
        with xr.open_dataset(tmp_path / "runs" / run.id / GUIDED) as file:
            assert file["gain"].shape == (LEVELS,) and (file["profile"] >= 0).all()
            assert file.attrs["judge"] == (judge_of(run, study.runs) or run).id
        folder, judge, analyses = tmp_path / "runs" / run.id, judge_of(run, study.runs), study.config.analyses
        assert is_analysed(folder, run, analyses, judge)  # and no longer, once there is a judge, or another one
        assert not is_analysed(folder, run, analyses, None if judge else study.runs[0])
    assert (tmp_path / "figures" / "guidance.png").stat().st_size > 5000
    axes = pd.read_csv(tmp_path / "tables" / "axes.csv", index_col=0)
    assert {"nats", "level", "noise", "factor"} == {*axes.columns}
    for _, rows in axes.groupby([label.rpartition(",")[0] for label in axes.index]):
        assert rows["level"].is_monotonic_increasing
    np.testing.assert_allclose(axes["noise"], np.exp(-axes["level"] / 2), rtol=0.02)
    text = (tmp_path / "report.html").read_text()
    assert "What latents tell the denoiser" in text and "gain_nats" in text
