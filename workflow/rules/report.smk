"""The study gathered into two files, then drawn: tables, figures and report.html."""

from auxvae.config.labels import first_of_label
from auxvae.report import context_section, guidance_section

FIGURES = (
    "comparison",
    "correlations",
    "coverage",
    "downstream",
    "history",
    "imperfect",
    "leakage",
    "reconstructions",
    "samples",
    "sensitivity_nats",
    "sensitivity_ssim",
    "sensitivity_ssim_asinh",
    "spread",
) + (("selection",) if SELECTION else ())
TABLES = (
    "alignment",
    "leakage",
    "swap",
    "calibration",
    "factors",
    "suite",
    "aggregate",
    "images",
    "downstream",
    "shear",
    "interventions",
    "guidance",
    "films",
    "differences",
) + (("selection",) if SELECTION else ())
if STUDY.config.analyses.candidates:
    FIGURES += ("candidates",)
    TABLES += ("candidates", "candidate_rates")
if STUDY.has_contexts:
    FIGURES += context_section.FIGURES
    TABLES += context_section.TABLES
if STUDY.has_denoisers:
    FIGURES += guidance_section.FIGURES
    TABLES += guidance_section.TABLES
if MEASURE:
    FIGURES += ("measurements",)
    TABLES += ("measurements",)
JUDGED = len(STUDY.runs) * bool(
    STUDY.config.analyses.candidates
)  # whose evidence takes seconds each
# Traversals whose runs are there whatever is chosen; those of chosen runs are drawn too, and not declared.
SHOWN = first_of_label(
    tuple(run for run in STUDY.runs if run.id not in STUDY.chosen_among)
)


rule collect:
    input:
        expand(
            "{results}/fleets/{fleet}-scores.json",
            results=RESULTS,
            fleet=[fleet.id for fleet in STUDY.scored_fleets],
        ),
        SELECTION,
        expand("{results}/measurements/{name}.parquet", results=RESULTS, name=MEASURE),
        expand(
            "{results}/data/{name}-shapes.npz",
            results=RESULTS,
            name=measured_with_shapes(),
        ),
    output:
        f"{RESULTS}/scores.parquet",
        f"{RESULTS}/analysis.nc",
        [f"{RESULTS}/measurements.parquet"] if MEASURE else [],
    log:
        f"{RESULTS}/logs/collect.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect.tsv"
    conda:
        TRAINING
    resources:
        mem_mb=lambda w, attempt: (1000 + 5 * len(STUDY.runs)) * attempt,
        runtime=lambda w, attempt: (10 + JUDGED) * attempt,
    params:
        spec=digest_of(WHOLE),
        study=STUDY_FILE,
        results=lambda w, output: str(Path(output[0]).parent),
        code=code_hash(
            "auxvae.analysis.collect",
            *measure_modules(),
            *(["auxvae.analysis.measurements"] if MEASURE else []),
        ),
    shell:
        "python -m auxvae collect {params.study:q} {params.results:q} --log {log:q}"


rule report:
    input:
        rules.collect.output,
        SELECTION,
    output:
        report(f"{RESULTS}/report.html", category="Study", caption="../report/page.rst"),
        [
            report(
                f"{RESULTS}/figures/{name}.png",
                category="Figures",
                caption=f"../report/{name}.rst",
            )
            for name in FIGURES
        ],
        [
            report(
                f"{RESULTS}/tables/{name}.csv",
                category="Tables",
                caption=f"../report/{name}.rst",
            )
            for name in TABLES
        ],
        expand("{results}/figures/{name}.pdf", results=RESULTS, name=FIGURES),
        expand(
            "{results}/figures/traversal-{run}.{suffix}",
            results=RESULTS,
            run=SHOWN,
            suffix=["png", "pdf"],
        ),
        expand("{results}/tables/{name}.tex", results=RESULTS, name=TABLES),
        f"{RESULTS}/tables/sensitivity.csv",
        f"{RESULTS}/tables/cells.csv",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=lambda w, attempt: (1500 + 5 * len(STUDY.runs)) * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        spec=digest_of(WHOLE),
        study=STUDY_FILE,
        results=lambda w, output: str(Path(output[0]).parent),
        code=code_hash("auxvae.report.page"),
    shell:
        "python -m auxvae report {params.study:q} {params.results:q} --log {log:q}"
