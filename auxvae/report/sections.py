"""The sections of report.html, in order: what each asks, the tables and figures that answer it, how to read them.

A new analysis adds an entry here, a table or a figure of that name in auxvae.report.page, and its files in
workflow/rules/report.smk. A section is left out where none of its tables has a row and none of its figures a panel.
"""

from __future__ import annotations

from auxvae.report.context_section import INTERVENTIONS
from auxvae.report.films_section import FILMS
from auxvae.report.guidance_section import GUIDANCE
from auxvae.report.measurements import MEASUREMENTS
from auxvae.report.section import Picture, Section, Table

_SENSITIVITY = (
    "Loss of {} when the auxiliary (aux) or the residual latents (recon) are perturbed along their covariance, with "
    "95 % intervals; below, divided by the number of latents in the block. arXiv:2507.00298, Fig. 4."
)

SECTIONS = (
    Section(
        "selection",
        "Which settings were chosen",
        (
            Table(
                "selection",
                "On validation rows, at each coverage: the setting of least mean value over its seeds by the rule of "
                "its group, the first of equals. Everything below shows the chosen settings alone, on test rows, "
                "which no choice has read. Where there are fresh seeds, the chosen setting was trained again with "
                "them, and everything below shows those runs: the least of many noisy values is low in part by "
                "chance, and their value on the same validation rows has no part in it. Intervals are 95 %.",
            ),
            Picture(
                "selection",
                "The rule's value over the weights on validation rows, and the scores that it is made of. The chosen "
                "setting is framed; settings without a number are hatched.",
                "Maps of the settings that were chosen among",
            ),
        ),
    ),
    Section(
        "alignment",
        "How well latents align with factors",
        (
            Table(
                "alignment",
                "LDS on the test rows, with its ceiling, the expected LDS of a perfect code on that number of rows. "
                "“corrected” sets correlations to 0 that chance explains; “all” scores every factor, whether the "
                "model is given it or not; lds_all_live scores the informative latents only, those that hold more "
                "than 0.3 nat, and latents_live counts them. A factor with no correlation beyond chance counts 0. The "
                "last rows are controls, codes whose scores are known in advance, scored on the same rows.",
            ),
            Table("factors", "The largest |ρ| of each factor with any latent."),
            Table(
                "suite",
                "Metrics of codes against all factors: docs/metrics.md says what each asks and what it cannot see. "
                "Continuous factors are cut into twenty quantiles where a metric needs classes.",
            ),
            Picture(
                "correlations",
                "|ρ| of samples of every latent with every factor; the auxiliary latents come first. ○ inactive "
                "latents, which hold less than 0.01 nat. (The mean of an inactive latent would correlate with "
                "everything.)",
                "Correlation matrices",
            ),
        ),
    ),
    Section(
        "leakage",
        "What the residual latents tell of the factors",
        (
            Table(
                "leakage",
                "Leakage: the largest R² with which boosted trees predict a factor that the model was given from "
                "samples of the residual latents, on test rows; 0 is good, and leakage_chance is what the codes of "
                "other galaxies give. leakage_spread: the same for the distance from the median, which a latent that "
                "is large only near the middle of a factor tells. recon_tells: R² of each factor, which is high where "
                "the model was not given it and found it. leakage_aux: the largest R² of a factor from the auxiliary "
                "latents but its own. kl_aux and kl_recon: nats that each block holds; recon_active: residual latents "
                "of more than 0.01 nat.",
            ),
            Picture(
                "leakage",
                "Leakage with its 95 % interval, beside the upper end of that of chance, and the nats that residual "
                "latents hold. Where the interval reaches down to the mark, nothing is leaked that can be told from "
                "chance.",
                "Leakage of every row of the table",
            ),
            Picture(
                "coverage",
                "At every coverage, R² of each factor from the residual latents. The factors that the model was given "
                "are framed, those beside the image by dots: there it should be 0, and more is leakage; elsewhere a "
                "high value says that the model found the factor. Right: scores against the number of factors given; "
                "points are coverages, with 95 % intervals over the seeds, and the line is their mean.",
                "What the residual latents tell at every coverage",
            ),
            Table(
                "swap",
                "The swap test: swap_recon takes the residual latents of another galaxy, swap_aux the auxiliary ones; "
                "flux (ln), size (ln) and ellipticity of the decoded image against what they were before. Of what the "
                "model was given, swap_recon should have slope 1, bias 0 and scatter 0, and swap_aux slope 0.",
            ),
        ),
    ),
    Section(
        "imperfect",
        "What imperfect auxiliary variables cost",
        (
            Picture(
                "imperfect",
                "Scores against the true factors where the auxiliary variables of training were noisy, biased, "
                "missing or exchanged. Dashed: the same method with perfect ones, and methods that are given none. "
                "Points and bands are means over the seeds with 95 % intervals.",
                "Scores against the level of imperfection",
            ),
        ),
    ),
    Section(
        "candidates",
        "Does a candidate say anything new?",
        (
            Table(
                "candidates",
                "R² of each candidate on test rows, none of which the fit has seen. image: from all latents of a model "
                "that was given the candidate; own: from its own auxiliary latent; values: from the auxiliary "
                "variables of the base; base_aux and base_recon: from the latents of a model that was given the base "
                "alone; others: from the other auxiliary latents beside it; chance: image, for the candidate of other "
                "rows; gain: image less the larger of values and base_aux. A candidate is new where the interval of "
                "its gain lies above 0.05, redundant where it lies below and the image shows the candidate, and "
                "irrelevant where the interval of image lies below 0.05. Intervals are 95 %, over seeds and rows. "
                "base_recon says whether a model that was not given the candidate had found it on its own.",
            ),
            Picture("candidates", "The evidence on every candidate.", "Evidence on every candidate"),
            Table(
                "candidate_rates",
                "Wrong and undecided verdicts on candidates whose truth is known by their making. Intervals are exact "
                "binomial ones, 95 %; verdicts of one study share its galaxies, and seeds of one candidate share its "
                "values, so that they are not quite independent.",
            ),
        ),
    ),
    Section(
        "calibration",
        "Whether posteriors are as wide as their errors",
        (
            Table(
                "calibration",
                "Posteriors of the auxiliary latents: the share of test rows whose factor lies within one (0.683 is "
                "right) and 1.96 (0.95) posterior standard deviations of its mean; the error of the mean and the "
                "width of the posterior, in shares of the factor's range. Of a data set with measurements: followed, 0 "
                "of a latent that says the truth and 1 of one that repeats the measurement, beside that of a model "
                "which is given the truth, and measured, the error of the measurement itself.",
            ),
        ),
    ),
    Section(
        "downstream",
        "What a few labels make of the codes",
        (
            Table(
                "downstream",
                "few_labels and many_labels: R² on test rows of each factor (accuracy of a categorical one) from "
                "posterior means of the fewest and the most labelled training rows of the study, by kernel ridge "
                "regression chosen by leave-one-out, the same for all representations. Baselines: raw pixels, as many "
                "principal components as there are latents, a supervised network trained on those labels alone, and "
                "chance.",
            ),
            Picture(
                "downstream",
                "What is not told of each factor, 1 − R² (of a categorical factor 1 − accuracy), against the number of "
                "labelled rows: 1 is chance, lower is better. Bands are 95 % intervals over the seeds, or over draws "
                "of the labelled rows of a single run; baselines in grey.",
                "How well each factor is told against the number of labels",
            ),
            Table(
                "shear",
                "Shear: ⟨g measured⟩ = (1 + m) g + c, from the auxiliary latents (shear) and from the most labelled "
                "codes (labels_shear). Latents are on a scale of their own, and posterior means are drawn towards "
                "that of their prior; “corrected” undoes both by training or labelled rows. Beside them adaptive "
                "moments of the noisy images. The PSF is round.",
            ),
        ),
    ),
    INTERVENTIONS,
    GUIDANCE,
    FILMS,
    MEASUREMENTS,
    Section(
        "methods",
        "Methods side by side",
        (
            Picture(
                "comparison",
                "Grey: each seed. Blue: their mean and its 95 % interval (for one seed, the interval of that run).",
                "The main scores of every method",
            ),
            Table(
                "differences",
                "Paired differences: every method and coverage less the first of the study, and every coverage less "
                "the largest of its method, on the same data and with the same network. Pairs are seeds, whose runs "
                "share batches, noise and test rows; where several data sets differ in their seed alone, a pair is a "
                "data set. The interval is Student's 95 %, the effect the mean difference in units of its standard "
                "deviation over the pairs, and “p (Holm)” corrects p for all comparisons of the study. Fewer than two "
                "pairs: no interval, effect or p.",
            ),
        ),
    ),
    Section(
        "codes",
        "The distribution of the codes",
        (
            Table(
                "aggregate",
                "prior_distance: sliced 1-Wasserstein distance between the residual latents and samples of their "
                "prior; prior_marginals: the same for each latent alone; the floors compare two samples of the prior. "
                "total_correlation: in nats, of a Gaussian with the covariance of the codes. pair_dependence: mean "
                "distance correlation of two latents; its floor is that of independent latents. lps: how well a "
                "latent is predicted from the others, by networks and linearly. udr: how well the seeds of a method "
                "agree. kl: nats of the posterior against the run's own prior: N(u, v) for auxiliary latents, that of "
                "its method for residual ones.",
            ),
            Picture(
                "spread",
                "The aggregate posterior of each latent beside its prior, over the test rows: thin lines from 2.5 to "
                "97.5 %, thick ones from 25 to 75 %, dots at the medians. The prior of an auxiliary latent is that of "
                "its factor's values. ○ inactive latents: that they agree with their prior says nothing.",
                "Quantiles of the codes and of their prior",
            ),
        ),
    ),
    Section(
        "images",
        "How good the reconstructions are",
        (
            Table(
                "images",
                "nats: −log likelihood per image under the noise of the data, with its floor, that of the noise-free "
                "truth. ssim is the published measure and hardly discriminates here: compare it with ssim_mean_image, "
                "the score of the mean training image. ssim_asinh compares with the noise-free truth where the data "
                "set has it; against the noisy image even the truth scores no more than the ceiling.",
            ),
            Picture(
                "reconstructions",
                "The first test images, their noise-free truth, and the reconstruction of each run, on an asinh scale.",
                "Reconstructions",
            ),
            Picture(
                "samples",
                "Images sampled from each model: latents drawn from the prior, auxiliary variables from training "
                "galaxies.",
                "Samples",
            ),
        ),
    ),
    Section(
        "training",
        "How the training went",
        (
            Picture(
                "history",
                "Every term of the loss while training, in nats per image and without its weight: solid lines are of "
                "validation rows, dotted ones of training rows. One seed of each row of the tables.",
                "Training curves by term",
            ),
        ),
    ),
    Section(
        "sensitivity",
        "Which block of the code an image needs",
        tuple(
            Picture(f"sensitivity_{measure}", _SENSITIVITY.format(measure), f"Sensitivity, {measure}")
            for measure in ("ssim", "ssim_asinh", "nats")
        ),
    ),
)
