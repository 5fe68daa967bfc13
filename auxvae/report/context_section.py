"""The section of report.html on whether images follow interventions."""

from __future__ import annotations

from auxvae.report.section import Picture, Section, Table

TABLES, FIGURES = ("contexts", "effects"), ("interventions", "context_images")  # of a study in contexts alone
INTERVENTIONS = Section(
    "interventions",
    "Whether images follow interventions",
    (
        Table(
            "interventions",
            "Sliced 2-Wasserstein distance of images of the model, in each context, from images of the data: the "
            "mean over trained contexts of one concept (concept), and over contexts that were never trained on "
            "(composition). Beside each: its floor, of a perfect model; the data's images where nothing is done "
            "(obs_images) and those of all trained contexts together (pooled_images), which no model that is "
            "told the contexts should need. identified: R² of each concept's own factors by a linear map of its "
            "block, and identified_elsewhere that of the factors of the other concepts; block_dci: DCI with a "
            "block as one code; changed_targets and changed_elsewhere: how far an intervention on one concept changes "
            "its targets, and the factors that these do not cause, in images of the same latents, in standard "
            "deviations. arXiv:2507.04754.",
        ),
        Picture(
            "interventions",
            "Above: distances of images of each model from the data's under an intervention on one concept, and "
            "under those on two that training never shows; dots are seeds, grey marks what a perfect model and "
            "images of the data that ignore the context have. Below: shares of the shift of the galaxies' flux, "
            "size and ellipticity that images of the model show; 1 is right, 0 nothing.",
            "Distances and shifts under interventions by method",
        ),
        Picture(
            "context_images",
            "Images of one run of each row of the tables in every context, above them images of their data. Those "
            "of a context module are of the same latents throughout: what changes is what the intervention does.",
            "Images in every context",
        ),
        Table(
            "contexts",
            "The same in each context, with the share of the data's shift of flux, size (both by their logarithm) "
            "and ellipticity that images of the model show: 1 is right, 0 where nothing moves; empty where the "
            "data have no clear shift. changed: how far the context changes each factor in images of the "
            "same latents, in standard deviations; 0 where it should leave it alone, 1.4 for other latents; factors "
            "that a regression does not read from images are left out. "
            "Intervals are 95 %, over the seeds, or over images of a single run.",
        ),
        Table(
            "effects",
            "How strongly one concept acts on another in the context module: the norm of that block of A where "
            "nothing is done. An edge: it is a cause in the structural model of the data. Nothing identifies A: "
            "read it beside a model of independent factors; `effects` is the area under the ROC curve of edges "
            "against other pairs, whose chance is 0.5.",
        ),
    ),
)
