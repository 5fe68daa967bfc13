"""The names of the tables of a study's page, in no order: what a study does not ask for is absent."""

from __future__ import annotations

from typing import get_args

from auxvae.config.study import Study
from auxvae.metrics.metric import ReportTable
from auxvae.report import context_section, guidance_section
from auxvae.report.measurements import NAME as MEASURED

TABLES: tuple[ReportTable, ...] = get_args(ReportTable)
DIFFERENCES, CANDIDATES = "differences", ("candidates", "candidate_rates")


def shown_tables(study: Study) -> tuple[str, ...]:
    """The names of tables/NAME.csv that the page shows where they have a row."""
    analyses = study.config.analyses
    return (
        *TABLES,
        DIFFERENCES,
        *(("selection",) if study.choices else ()),
        *(context_section.TABLES if study.has_contexts else ()),
        *(guidance_section.TABLES if study.has_denoisers else ()),
        *(CANDIDATES if analyses.candidates else ()),
        *((MEASURED,) if analyses.measure else ()),
    )
