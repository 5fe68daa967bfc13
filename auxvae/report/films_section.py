"""The section of report.html on the straightness of films."""

from __future__ import annotations

from auxvae.report.section import Section, Table

FILMS = Section(
    "films",
    "Whether the codes of a film lie on a line",
    (
        Table(
            "films",
            "Mean cosine of successive steps of the codes of noise-free films, over active latents, with the interval "
            "over films, or over seeds: 1 is straight, 0 a right angle, and random steps have −1/2. line: factors move "
            "on a straight line; arc: two factors on half a circle. _pixels: of the images, what there was to "
            "straighten; _untrained: of the same encoder before its training, what any such network does; _factors: of "
            "the factors that move, in their units. A cvae or idvae is told the factors of each frame, and its codes "
            "are straight for nothing.",
        ),
    ),
)
