"""Fleets are trained and evaluated. The declared output of either is a manifest, written when all runs are finished:
Snakemake deletes the declared outputs of a failed job, and finished runs are not to be lost with it.

Where groups of runs have a `select`, their fleets are evaluated twice: on validation rows, so that a setting can be
chosen, then on test rows without the runs that were not. Which they are is known to the programs alone: the jobs are
the same whatever is chosen.
"""


rule train:
    input:
        lambda w: seal_of(FLEETS[w.fleet].runs[0].dataset.name),
    output:
        f"{RESULTS}/fleets/{{fleet}}.json",
    log:
        f"{RESULTS}/logs/train-{{fleet}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train-{{fleet}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda w: len(FLEETS[w.fleet].runs)
    resources:
        mem_mb=lambda w, threads: 800 + 900 * threads,
        runtime=fleet_minutes,
    params:
        spec=lambda w: fleet_spec(w.fleet),
        store=lambda w: store_of(FLEETS[w.fleet].runs[0].dataset.name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=lambda w: training_code(FLEETS[w.fleet]),
    message:
        "train {wildcards.fleet}, {threads} runs at a time without a GPU"
    shell:
        "python -m auxvae train {params.spec:q} {params.store:q} {params.results:q} --workers {threads} --log {log:q}"


rule validate:
    input:
        seal=lambda w: seal_of(FLEETS[w.fleet].runs[0].dataset.name),
        fleet=f"{RESULTS}/fleets/{{fleet}}.json",
    output:
        f"{RESULTS}/fleets/{{fleet}}-validation.json",
    log:
        f"{RESULTS}/logs/validate-{{fleet}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/validate-{{fleet}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda w: len(CANDIDATES[w.fleet])
    resources:
        mem_mb=lambda w, threads: 600 + 900 * threads,
        runtime=lambda w, threads: 10 + len(CANDIDATES[w.fleet]) // threads,
    params:
        spec=lambda w: evaluation_spec(w.fleet),
        store=lambda w: store_of(FLEETS[w.fleet].runs[0].dataset.name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=code_hash("auxvae.analysis.validation"),
    message:
        "score the settings of {wildcards.fleet} on validation rows"
    shell:
        "python -m auxvae evaluate {params.spec:q} {params.store:q} {params.results:q} --validation --workers {threads}"
        " --log {log:q}"


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
        "../../envs/train.yaml"
    resources:
        mem_mb=600,
        runtime=5,
    params:
        spec=WHOLE,
        results=lambda w, output: str(Path(output[0]).parent),
        code=code_hash("auxvae.analysis.selection"),
    shell:
        "python -m auxvae select {params.spec:q} {params.results:q} --log {log:q}"


rule evaluate:
    input:
        seal=lambda w: seal_of(FLEETS[w.fleet].runs[0].dataset.name),
        fleet=f"{RESULTS}/fleets/{{fleet}}.json",
        selection=lambda w: SELECTION if w.fleet in CANDIDATES else [],
    output:
        f"{RESULTS}/fleets/{{fleet}}-scores.json",
    log:
        f"{RESULTS}/logs/evaluate-{{fleet}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate-{{fleet}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: lambda w: len(FLEETS[w.fleet].runs)
    resources:
        mem_mb=lambda w, threads: 600 + 900 * threads,
        runtime=lambda w, threads: 10 + len(FLEETS[w.fleet].runs) // threads,
    params:
        spec=lambda w: evaluation_spec(w.fleet),
        store=lambda w: store_of(FLEETS[w.fleet].runs[0].dataset.name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=code_hash("auxvae.analysis.analyse", *measure_modules()),
    message:
        "evaluate {wildcards.fleet}, {threads} runs at a time without a GPU"
    shell:
        "python -m auxvae evaluate {params.spec:q} {params.store:q} {params.results:q} --workers {threads}"
        " --log {log:q}"
