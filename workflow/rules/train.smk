"""Fleets are trained and evaluated. The declared output of either is a manifest, written when all runs are finished:
Snakemake deletes the declared outputs of a failed job, and finished runs are not to be lost with it.

Where groups of runs have a `select`, their fleets are evaluated twice: on validation rows, so that a setting can be
chosen, then on test rows without the runs that were not. Which they are is known to the programs alone: the jobs are
the same whatever is chosen. Fleets of fresh seeds are trained after the choice; a fleet of which no run can be scored
on test rows, as its settings are trained again with fresh seeds, is not evaluated.
"""


rule train:
    input:
        seal=lambda w: seal_of(source_of(w).name),
        selection=lambda w: SELECTION if w.fleet in FRESH else [],
    output:
        f"{RESULTS}/fleets/{{fleet}}.json",
    log:
        f"{RESULTS}/logs/train-{{fleet}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train-{{fleet}}.tsv"
    conda:
        TRAINING
    threads: lambda w: cost.cores(len(runs_of(w)), DEVICE)
    resources:
        mem_mb=lambda w, threads, attempt: cost.training_memory(
            runs_of(w), threads, attempt
        ),
        runtime=lambda w, threads, attempt: cost.training_minutes(
            runs_of(w), threads, attempt
        ),
        gpu=GPUS,
    params:
        spec=lambda w: fleet_digest(w.fleet),
        study=STUDY_FILE,
        store=lambda w: store_of(source_of(w).name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=lambda w: training_code(FLEETS[w.fleet]),
    message:
        "train {wildcards.fleet} on {threads} cores"
    shell:
        "python -m auxvae train {params.study:q} {params.store:q} {params.results:q} --fleet {wildcards.fleet}"
        " --workers {threads} --log {log:q}"


rule validate:
    input:
        seal=lambda w: seal_of(source_of(w).name),
        fleet=f"{RESULTS}/fleets/{{fleet}}.json",
    output:
        f"{RESULTS}/fleets/{{fleet}}-validation.json",
    log:
        f"{RESULTS}/logs/validate-{{fleet}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/validate-{{fleet}}.tsv"
    conda:
        TRAINING
    threads: lambda w: cost.cores(len(CANDIDATES[w.fleet]))
    resources:
        mem_mb=lambda w, threads, attempt: cost.evaluation_memory(
            source_of(w), tested(w), threads, attempt
        ),
        runtime=lambda w, threads, attempt: cost.evaluation_minutes(
            runs_of(w), tested(w), threads, attempt
        ),
        gpu=GPUS,
    params:
        spec=lambda w: evaluation_digest(w.fleet),
        study=STUDY_FILE,
        store=lambda w: store_of(source_of(w).name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=code_hash("auxvae.analysis.validation"),
    message:
        "score the settings of {wildcards.fleet} on validation rows"
    shell:
        "python -m auxvae evaluate {params.study:q} {params.store:q} {params.results:q} --fleet {wildcards.fleet}"
        " --validation --workers {threads} --log {log:q}"


rule select:
    input:
        expand(
            "{results}/fleets/{fleet}-validation.json",
            results=RESULTS,
            fleet=CANDIDATES,
        ),
    output:
        f"{RESULTS}/selection.json",
    log:
        f"{RESULTS}/logs/select.log",
    benchmark:
        f"{RESULTS}/benchmarks/select.tsv"
    conda:
        TRAINING
    resources:
        mem_mb=lambda w, attempt: 600 * attempt,
        runtime=lambda w, attempt: 10 * attempt,
    params:
        spec=digest_of(WHOLE),
        study=STUDY_FILE,
        results=lambda w, output: str(Path(output[0]).parent),
        code=code_hash("auxvae.analysis.selection"),
    shell:
        "python -m auxvae select {params.study:q} {params.results:q} --log {log:q}"


rule evaluate:
    input:
        seal=lambda w: seal_of(source_of(w).name),
        fleet=f"{RESULTS}/fleets/{{fleet}}.json",
        films=lambda w: films_of(source_of(w).name),
        selection=lambda w: SELECTION if w.fleet in {*CANDIDATES, *FRESH} else [],
    output:
        f"{RESULTS}/fleets/{{fleet}}-scores.json",
    log:
        f"{RESULTS}/logs/evaluate-{{fleet}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate-{{fleet}}.tsv"
    conda:
        TRAINING
    threads: lambda w: cost.cores(len(runs_of(w)))
    resources:
        mem_mb=lambda w, threads, attempt: cost.evaluation_memory(
            source_of(w), tested(w), threads, attempt
        ),
        runtime=lambda w, threads, attempt: cost.evaluation_minutes(
            runs_of(w),
            tested(w),
            threads,
            attempt,
            STUDY.config.analyses.labelled,
        ),
        gpu=GPUS,
    params:
        spec=lambda w: evaluation_digest(w.fleet),
        study=STUDY_FILE,
        store=lambda w: store_of(source_of(w).name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=code_hash("auxvae.analysis.analyse", *measure_modules()),
    message:
        "evaluate {wildcards.fleet}, {threads} runs at a time"
    shell:
        "python -m auxvae evaluate {params.study:q} {params.store:q} {params.results:q} --fleet {wildcards.fleet}"
        " --workers {threads} --log {log:q}"


rule measure:
    input:
        seals=lambda w: [seal_of(name) for name in (w.dataset, *MEASURE[w.dataset])],
        fleets=lambda w: expand(
            "{results}/fleets/{fleet}.json",
            results=RESULTS,
            fleet=[
                each.id
                for each in STUDY.fleets
                if each.runs[0].dataset.name == w.dataset
            ],
        ),
        selection=SELECTION,
    output:
        f"{RESULTS}/measurements/{{dataset}}.parquet",
    log:
        f"{RESULTS}/logs/measure-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure-{{dataset}}.tsv"
    conda:
        TRAINING
    resources:
        mem_mb=lambda w, attempt: cost.measuring_memory(
            [DECLARED.facts[name] for name in (w.dataset, *MEASURE[w.dataset])],
            attempt,
        ),
        runtime=lambda w, attempt: cost.measuring_minutes(
            sum(run.dataset.name == w.dataset for run in STUDY.runs)
            * len(MEASURE[w.dataset]),
            attempt,
        ),
        gpu=GPUS,
    params:
        spec=lambda w: digest_of(
            {
                "runs": [
                    fleet_digest(each.id)
                    for each in STUDY.fleets
                    if each.runs[0].dataset.name == w.dataset
                ],
                "measured": {
                    name: DECLARED.facts[name].digest for name in MEASURE[w.dataset]
                },
            }
        ),
        study=STUDY_FILE,
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=code_hash("auxvae.analysis.measurements"),
    message:
        "measure with the runs of {wildcards.dataset}"
    shell:
        "python -m auxvae measurements {params.study:q} {params.results:q} {wildcards.dataset} --log {log:q}"
