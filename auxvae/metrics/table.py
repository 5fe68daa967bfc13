"""The table of metrics: every score that a study writes, how it is computed, its paper, and where a report shows it.

Adding a metric is one entry here, or in auxvae.metrics.blocks_table. The suite, the command `score`, what a study
computes, tables, figures, contrasts, captions and docs/metrics.md read this table; the columns of a table of the report
stand in the order of the entries. Functions stand here by dotted name, as no report needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from auxvae.metrics.blocks_table import OF_BLOCKS
from auxvae.metrics.metric import EACH_FACTOR, NOISE, POSITIVE, UNIT, Column, Metric

AUX, MMD = "arXiv:2507.00298", "arXiv:2510.11953"
KUMAR, RIDGEWAY = "Kumar et al., arXiv:1711.00848", "Ridgeway & Mozer, arXiv:1802.05312"
EASTWOOD, STANDARD = "Eastwood & Williams, ICLR 2018", "Locatello et al., arXiv:1811.12359"
PRIOR = "Bonneel et al., JMIV 2015, and Gretton et al., JMLR 2012"
WANG, MOMENTS = "Wang et al., IEEE TIP 2004", "Hirata & Seljak, MNRAS 2003"
TWICE = "0 for a code that holds every factor twice"
LINE = "nonlinear dependence"
MEASURES = "auxvae.metrics.measures:"
PRIOR_SCORES = ("prior_distance", "prior_marginals", "prior_mmd", "prior_ks")
UNBIASED = (-POSITIVE[1], POSITIVE[1])  # prior_mmd is unbiased and may be negative
RANGES = dict(zip((*PRIOR_SCORES, "pair_dependence"), (POSITIVE, POSITIVE, UNBIASED, UNIT, UNIT), strict=True))
DCI = ("dci_disentanglement", "dci_completeness", "dci_informativeness")
IN_SUITE = Column("1", "suite", chance=NOISE, range=UNIT)
IN_AGGREGATE, IN_IMAGES = Column("", "aggregate"), Column("", "images")
LDS = Column("ceiling", "alignment", "lds_ceiling", chance=NOISE, range=UNIT)
ERROR = Column("0", "images", range=POSITIVE)
MEAN_IMAGE = "ssim_asinh_mean_image"
SIMILARITY = Column("1", "images", "ssim_mean_image", chance="ssim_mean_image", range=(-1.0, 1.0))
INFORMATIVENESS = Column("1", "suite", chance=NOISE, range=(-POSITIVE[1], 1.0))  # R2 of test rows may be negative
CORRECTED = Column("1", "alignment", chance="0.05", range=UNIT)  # closed form: auxvae.metrics.alignment
NONE = Column("0")


def _floored(names: Iterable[str], unshown: tuple[str, ...] = (), compared: str = "") -> dict[str, Column]:
    """Scores each followed by its floor, in the table of aggregates."""
    columns = {}
    for name in names:
        beside = f"{name}_floor"
        columns[name] = Column("floor", "aggregate", beside, compared=name == compared, range=RANGES[name])
        columns[f"{name}_floor"] = Column("") if name in unshown else IN_AGGREGATE
    return columns


def _straightness(path: str) -> dict[str, Column]:
    """The straightness of films of one path, and what it is read beside."""
    name = f"straightness_{path}"
    first = Column("1", "films", f"{name}_factors", chance=f"{name}_untrained", compared=True, range=(-1.0, 1.0))
    beside = {f"{name}_{each}": Column("", "films", range=(-1.0, 1.0)) for each in ("pixels", "untrained", "factors")}
    return {name: first, **beside}


METRICS: dict[str, Metric] = {
    "lds": Metric(
        {"lds": LDS},
        "means", "factors", AUX,
        "is one latent alone correlated with each factor? In a study: each factor that the model is given",
        f"{LINE}; how much is explained",
        MEASURES + "lds", by_coverage=True,
    ),
    "lds_ceiling": Metric(
        {"lds_ceiling": Column("1", "alignment")}, "means", "factors", "",
        "the expected LDS of a perfect code on N rows, by chance a little more or less",
        measure=MEASURES + "ceiling", by_coverage=True,
    ),
    "lds_corrected": Metric(
        {"lds_corrected": CORRECTED}, "means", "factors", "",
        "LDS without the correlations that chance explains; a factor without any other counts 0",
        f"{LINE}; how much is explained",
        MEASURES + "lds_corrected", by_coverage=True,
    ),
    "lds_all": Metric(
        {
            "lds_all": LDS,
            "lds_all_corrected": replace(CORRECTED, contrasted=True),
            "lds_all_live": replace(CORRECTED, compared=True),
            "latents_live": Column("", "alignment"),
        },
        "means", "factors", AUX,
        "LDS over all factors, raw and corrected; `lds_all_live` of the informative latents only (those that hold "
        "more than 0.3 nat), `latents_live` their number; neither where the encoder is deterministic",
        f"{LINE}; how much is explained",
    ),
    "lds_sampled": Metric(
        {
            "lds_sampled": Column("1", chance=NOISE, range=UNIT),
            "lds_sampled_corrected": replace(CORRECTED, compared=True),
        },
        "samples", "factors", AUX,
        "LDS of samples of the posterior, raw and corrected: the means of an inactive latent correlate with "
        "everything and say nothing", LINE,
    ),
    "rho": Metric(
        {f"rho_{EACH_FACTOR}": Column("1", "factors", chance=NOISE, range=UNIT)}, "means", "factors", "",
        "the largest correlation of the factor with any latent", LINE,
    ),
    "rotated": Metric(
        {f"rotated_{EACH_FACTOR}": Column("1", "factors", chance=NOISE, range=UNIT)},
        "means", "factors", "Hyvarinen, IEEE TNN 1999",
        "the largest correlation of the factor with any independent component of the codes, a rotation that is learned "
        "without factors", f"{LINE}; latents of different units", "auxvae.metrics.rotation:rotated_scores",
    ),
    "nearest": Metric(
        {f"nearest_{EACH_FACTOR}": Column("1", "factors", chance=NOISE, range=(-POSITIVE[1], 1.0))},
        "means", "factors", "",
        "R2 of the factor (accuracy of a class) by the 10 nearest codes of other rows",
        "axes; latents of different units", "auxvae.metrics.rotation:nearest_scores",
    ),
    "linear": Metric(
        {f"linear_{EACH_FACTOR}": Column("1", "factors", chance=NOISE, range=(-POSITIVE[1], 1.0))},
        "means", "factors", "",
        "R2 of the factor (accuracy of a class) by a linear map of all latents, learned from other rows",
        f"axes; {LINE}", "auxvae.metrics.rotation:linear_scores",
    ),
    "own_latent": Metric(
        {
            f"own_latent_{EACH_FACTOR}": Column("1", "factors", chance="own_latent_chance", range=UNIT),
            "own_latent_chance": Column("", "factors"),
        },
        "means", "factors", "",
        "the correlation of the factor with the latent whose prior is the factor's distribution (`prior: empirical`)",
        LINE,
    ),
    **OF_BLOCKS,
    "nats": Metric(
        {
            "nats": Column("floor", "images", "nats_floor", compared=True, contrasted=True, logarithmic=True),
            "nats_floor": IN_IMAGES,
        },
        "reconstructions", "images", "",
        "negative log likelihood of an image given its reconstruction; the floor is the least that "
        "can be expected of any reconstruction, where the noise-free truth is there",
    ),
    "bound": Metric(
        {"bound": IN_IMAGES}, "posterior", "posterior", "Kingma & Welling, arXiv:1312.6114",
        "the negative evidence lower bound, reconstruction + KL from the model's own prior, whatever their weights; "
        "methods with the term `kl`, and score-based ones on images with noise, by diffusion (arXiv:2107.00630)",
    ),
    "bits_per_pixel": Metric(
        {
            "bits_per_pixel": Column("floor", "images", "bits_per_pixel_floor", range=POSITIVE),
            "bits_per_pixel_floor": IN_IMAGES,
        },
        "posterior", "posterior", "arXiv:2507.04754",
        "the bound of images in [0, 1] in bits per pixel of all channels; the floor is the entropy of the images' own "
        "pixels, and the excess over it is what a model can be blamed for",
    ),
    "mse": Metric({"mse": ERROR}, "reconstructions", "images", "", "mean squared error per pixel"),
    "psnr": Metric(
        {"psnr": IN_IMAGES}, "reconstructions", "images", "",
        "peak signal-to-noise ratio of the images of `mse`, in decibel; more is better",
    ),
    "sample_distance": Metric(
        {
            "sample_distance": Column("floor", "images", "sample_distance_floor", range=POSITIVE),
            "sample_distance_floor": Column("", "images", range=POSITIVE),
        },
        "samples", "images", "Bonneel et al., JMIV 2015",
        "sliced 2-Wasserstein distance of images drawn from the model and noise-free test images; the floor is what a "
        "perfect model with as many images has", "whether one image is right; what few pixels show",
    ),
    "set_distance": Metric(
        {"set_distance": ERROR}, "reconstructions", "images", "Bonneel et al., JMIV 2015",
        "sliced Wasserstein distance of reconstructions and images as two sets", "which belongs to which",
    ),
    "ssim": Metric(
        {"ssim": SIMILARITY, "ssim_mean_image": IN_IMAGES},
        "reconstructions", "images", WANG,
        "structural similarity on the published scale, beside that of the mean training image",
        "almost all of a galaxy: its pixels are near 0 on that scale",
    ),
    "ssim_asinh": Metric(
        {
            "ssim_asinh": replace(
                SIMILARITY, companion=MEAN_IMAGE, chance=MEAN_IMAGE, compared=True, contrasted=True
            ),
            "ssim_asinh_mean_image": IN_IMAGES,
            "ssim_asinh_noisy": Column("ceiling", "images", "ssim_asinh_noisy_ceiling"),
            "ssim_asinh_noisy_ceiling": IN_IMAGES,
        },
        "reconstructions", "images", WANG,
        "structural similarity of asinh(photons / 10) with the noise-free truth; `ssim_asinh_noisy` with the noisy "
        "image, for which even the truth scores no more than the ceiling",
    ),
    "shapes": Metric(
        {
            "flux_bias": Column("0", "images"), "flux_scatter": ERROR,
            "size_bias": Column("0", "images"), "size_scatter": ERROR,
            "ellipticity_scatter": ERROR, "moments_converged": Column("1", "images", range=UNIT),
        },
        "reconstructions", "images", MOMENTS,
        "flux, size and ellipticity of galaxies by adaptive moments, against the truth",
    ),
    "explicitness": Metric(
        {"explicitness": IN_SUITE}, "means", "factors", AUX,
        "how strongly does the best latent correlate with each factor, in powers up to 3?", "several latents together",
        MEASURES + "explicitness",
    ),
    "sap": Metric(
        {"sap": replace(IN_SUITE, chance="0")}, "means", "factors", KUMAR,
        "lead of the best latent over the second, by squared correlation", f"{LINE}; {TWICE}",
        MEASURES + "sap",
    ),
    "sap_discrete": Metric(
        {"sap_discrete": Column("1 - 1/classes", "suite", chance="0", range=UNIT)}, "means", "discrete", KUMAR,
        "lead of the best latent over the second, by the accuracy of a linear SVM on one latent",
        "classes in the middle; depends on the scale of the codes", MEASURES + "sap_discrete",
    ),
    "mig": Metric(
        {"mig": IN_SUITE}, "means", "factors", "Chen et al., arXiv:1802.04942",
        "lead of the best latent over the second, by mutual information in 20 bins", TWICE, MEASURES + "mig",
    ),
    "modularity": Metric(
        {"modularity": IN_SUITE}, "means", "two factors", RIDGEWAY,
        "is each latent informative about one factor only?", "whether any latent is informative enough",
        MEASURES + "modularity",
    ),
    "explicitness_auc": Metric(
        {"explicitness_auc": replace(IN_SUITE, chance="1/2")}, "means", "factors", RIDGEWAY,
        "does a logistic regression on all latents separate the classes?", "axes: a rotation scores the same",
        MEASURES + "explicitness_auc",
    ),
    "dci": Metric(
        {**dict.fromkeys(DCI[:2], IN_SUITE), DCI[2]: INFORMATIVENESS}, "means", "factors", EASTWOOD,
        "importances of an ensemble of trees: one factor per latent, one latent per factor, how well is it predicted?",
        "what the capacity of the trees cannot resolve", MEASURES + "dci_forests",
    ),
    "dci_reference": Metric(
        dict.fromkeys((f"{name}_reference" for name in DCI), Column("1", chance=NOISE)), "means", "factors", EASTWOOD,
        "disentanglement, completeness and informativeness by gradient boosting, as in disentanglement_lib",
        "minutes for 10,000 rows", MEASURES + "dci_boosted",
        boosted=True,
    ),
    "beta_vae": Metric(
        {"beta_vae": replace(IN_SUITE, chance="1/factors")}, "means", "two factors", "Higgins et al., ICLR 2017",
        "which factor is constant in a batch, by a regression on mean distances", "1 for some rotations, too",
        MEASURES + "beta_vae",
    ),
    "factor_vae": Metric(
        {"factor_vae": replace(IN_SUITE, chance="1/factors")}, "means", "two factors", "Kim & Mnih, arXiv:1802.05983",
        "which factor is constant in a batch, by the vote of the latent that varies least", "1 for some rotations, too",
        MEASURES + "factor_vae",
    ),
    "irs": Metric(
        {"irs": IN_SUITE}, "means", "factors", "Suter et al., ICML 2019",
        "is a latent constant while other factors vary?", "higher with few rows per value", MEASURES + "robustness",
    ),
    "tad": Metric(
        {"tad": Column("(attributes kept) / 2", "suite", chance="0", range=POSITIVE)},
        "means", "binary", "Yeats et al., ECCV 2022",
        "lead of the best latent for binary attributes, by AUC", "a sum: grows with the number of attributes",
        MEASURES + "attributes",
    ),
    "prior": Metric(
        _floored(PRIOR_SCORES, unshown=("prior_mmd",), compared="prior_distance"), "samples", "prior", PRIOR,
        "are the codes distributed as their prior? In random directions, by latent, by MMD, by Kolmogorov-Smirnov",
        measure=MEASURES + "match_with_prior",
    ),
    "total_correlation": Metric(
        {"total_correlation": Column("0", "aggregate", range=POSITIVE)}, "samples", "codes", STANDARD,
        "are the latents correlated? In nats, as of a Gaussian", LINE, MEASURES + "total_correlation",
    ),
    "wasserstein_correlation": Metric(
        {"wasserstein_correlation": Column("0", "aggregate", range=POSITIVE)}, "samples", "codes", STANDARD,
        "are the latents correlated? Squared Wasserstein distance from uncorrelated ones, in their squared unit",
        LINE, MEASURES + "wasserstein_correlation",
    ),
    "covariance_ratio": Metric(
        {"covariance_ratio": Column("1", "aggregate", range=UNIT)}, "samples", "codes", MMD,
        "are the latents correlated? Share of the diagonal in the squared entries of their covariance",
        LINE, MEASURES + "covariance_ratio",
    ),
    "pair_dependence": Metric(
        _floored(["pair_dependence"], compared="pair_dependence"), "samples", "codes",
        "Szekely et al., Ann. Stat. 2007",
        "mean distance correlation of two latents; sees any dependence of two", "dependence of three only",
        MEASURES + "dependence_of_pairs",
    ),
    "lps": Metric(
        {"lps": Column("0", "aggregate", range=UNIT)}, "means", "codes", MMD,
        "how well are latents predicted from the others, by networks?", "rotated uniforms, circles",
        MEASURES + "lps",
    ),
    "lps_ridge": Metric(
        {"lps_ridge": Column("0", "aggregate", range=UNIT)}, "means", "codes", MMD,
        "how well are latents predicted from the others, linearly?", LINE,
        MEASURES + "lps_ridge",
    ),
    "lps_trees": Metric(
        {"lps_trees": Column("0", range=UNIT)}, "means", "codes", MMD,
        "how well are latents predicted from the others, by gradient boosted trees?", "rotated uniforms, circles",
        MEASURES + "lps_trees", boosted=True,
    ),
    "udr": Metric(
        {"udr": Column("1", "aggregate", range=UNIT, shared=True)}, "means", "seeds", "Duan et al., ICLR 2020",
        "do the seeds of a method agree on their latents?", "whether these are the factors",
    ),
    "kl": Metric(
        {"kl": replace(IN_AGGREGATE, range=POSITIVE)},
        "posterior", "posterior", "Kingma & Welling, arXiv:1312.6114",
        "nats per image of the posterior against the run's own prior, given the auxiliary variables where that is: how "
        "much the code holds, of factors or of anything else; absent where the prior has no density for every z",
    ),
    "straightness": Metric(
        {
            "straightness": Column("1", chance="-1/2", range=(-1.0, 1.0)),
            "curvature": Column("0", chance="120", range=POSITIVE),
        }, "means", "films", "Henaff et al., Nat. Neurosci. 2019",
        "do the codes of a film lie on a straight line?", measure=MEASURES + "straightness_of_films",
    ),
    "films": Metric(
        {**_straightness("line"), **_straightness("arc")}, "means", "drawn films", "Henaff et al., Nat. Neurosci. 2019",
        "do the codes of films lie on a straight line, whose factors move on a line or an arc? Beside it that of the "
        "pixels, of the same encoder before its training, and of the factors themselves", "inactive latents, left out",
    ),
}  # fmt: skip


def measure_modules() -> tuple[str, ...]:
    """Dotted names of the modules whose functions the table names: the code of scores, which no import shows."""
    return tuple(sorted({metric.measure.partition(":")[0] for metric in METRICS.values() if metric.measure}))
