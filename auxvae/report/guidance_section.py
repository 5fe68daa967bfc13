"""The section of report.html on what latents tell a denoiser."""

from __future__ import annotations

from auxvae.report.section import Picture, Section, Table

TABLES, FIGURES = ("axes",), ("guidance",)  # of a study with denoisers alone
GUIDANCE = Section(
    "guidance",
    "What latents tell the denoiser",
    (
        Table(
            "guidance",
            "The paired test on test images, with and without the guidance of their latents at the same noise. "
            "gain_nats: nats per image by which latents lower the bound of -log p(x), by the denoiser of another seed, "
            "which has learned nothing beside this encoder; gain_own: by the run's own denoiser, which may flatter it. "
            "gain_least: the least lower end of the intervals of all levels, above 0 if guidance helps at each, in "
            "squared units of the noise. A run whose latents are all inactive has collapsed: latents_live is 0.",
        ),
        Table(
            "axes",
            "The active latents of the first run of each row, the coarsest first: the order needs no factor. nats: "
            "what the latent holds; level: log SNR at which its guidance is strongest, its characteristic scale; "
            "noise: that of the level, in standard deviations of the images; factor: the one that it correlates with "
            "most, and |ρ|.",
        ),
        Picture(
            "guidance",
            "First: what guidance gains at each level of noise, the mean over images with its 95 % interval, the first "
            "run of each row of the tables. Others: how strongly each latent guides at each level (solid), as a share "
            "of its largest: the peak is the scale of what it says; and how wide its posterior is (dotted; 1 is the "
            "prior). Inactive latents are left out.",
            "Gain of guidance, and the scale of each latent",
        ),
    ),
)
