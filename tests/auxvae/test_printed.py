"""What the tables of a report print: intervals of one seed and of several, at the ends of a range, beside controls."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from auxvae.metrics.columns import column
from auxvae.metrics.score import within
from auxvae.report.tables import CONTROLS, cells, text_of, wide


def table_of(metric, scores):
    """The table of scores of one label, a seed for each."""
    rows = [
        {"run": f"r{k}", "metric": metric, "value": score.value, "low": score.low, "high": score.high, "se": score.se}
        for k, score in enumerate(scores)
    ]
    return pd.DataFrame(rows), {row["run"]: "method" for row in rows}


def printed(metric, *scores):
    return wide(*table_of(metric, scores), (metric,)).loc["method", metric]


def test_one_seed_prints_the_half_width_or_where_clipping_took_a_part_the_ends():
    assert printed("lds_corrected", within(0.8, 0.02, 100)) == "0.800 ± 0.039"
    assert printed("lds_corrected", within(1.0, 0.0367, 100)) == "1.000 [0.928, 1.000]"  # not ± 0.036, half of a half
    assert printed("leakage", within(0.01, 0.02, 100)) == "0.010 [0.000, 0.049]"
    assert printed("nats", within(390.2, 0.5, 100, least=-np.inf, most=np.inf)) == "390.20 ± 0.98"
    assert printed("lds_corrected", within(0.8, np.nan, 100)) == "0.8"


@pytest.mark.parametrize(
    ("metric", "values"), [("lds_corrected", (1.0, 1.0, 0.9, 1.0)), ("rho_flux", (0.999, 0.98, 0.95))]
)
def test_several_seeds_print_students_interval_within_the_range(metric, values):
    table, labels = table_of(metric, [within(value, 0.5, 100) for value in values])
    mean, low, high = cells(table, labels).loc[("method", metric)]
    t = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (mean, low, high) == pytest.approx((np.mean(values), t[0], 1.0))
    assert t[1] > 1
    assert wide(table, labels, (metric,)).loc["method", metric].endswith("]")


def test_several_seeds_far_from_the_ends_print_the_half_width():
    values = (0.5, 0.55, 0.45)
    half = stats.t(2).ppf(0.975) * stats.sem(values)
    assert printed("lds_corrected", *(within(value, 0.5, 100) for value in values)) == f"0.50 ± {half:.2f}"


def test_scores_of_all_seeds_together_print_the_error_of_their_mean():
    """UDR: rows share pairs, so that Student's interval over them would be too narrow."""
    table, labels = table_of("udr", [within(value, 0.05, 100) for value in (0.50, 0.51, 0.52)])
    _, low, high = cells(table, labels).loc[("method", "udr")]
    assert (high - low) / 2 == pytest.approx(stats.t(2).ppf(0.975) * 0.05)


@pytest.mark.parametrize(("mean", "low", "high", "text"), [
    (1e-7, 0.9e-7, 1.1e-7, "1e-07 ± 1e-08"),
    (0.5, 0.5, 0.5, "0.5"),
    (12.0, 0.0, 40.0, "12 [0, 40]"),
    (0.3, np.nan, np.nan, "0.3"),
])  # fmt: skip
def test_numbers_of_any_size(mean, low, high, text):
    assert text_of(mean, low, high) == text


def test_ranges_are_those_of_the_scores_of_a_factor_too():
    assert column("rho_flux").range == (0, 1) == column("lds_corrected").range
    assert column("nats").range == (-np.inf, np.inf) and column("prior_mmd").range[0] == -np.inf
    of_codes, of_few_labels = {"identity", "duplicated", "rotated", "noise"}, {"pixels", "pca", "network", "moments"}
    assert set(CONTROLS) == of_codes | of_few_labels
