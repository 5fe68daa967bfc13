"""Fleets are trained and evaluated. The declared output of either is a manifest, written when all runs are finished:
Snakemake deletes the declared outputs of a failed job, and finished runs are not to be lost with it.
"""

from dataclasses import asdict

ANALYSES = asdict(STUDY.config.analyses)


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


rule evaluate:
    input:
        seal=lambda w: seal_of(FLEETS[w.fleet].runs[0].dataset.name),
        fleet=f"{RESULTS}/fleets/{{fleet}}.json",
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
        spec=lambda w: fleet_spec(w.fleet, analyses=ANALYSES),
        store=lambda w: store_of(FLEETS[w.fleet].runs[0].dataset.name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=code_hash("auxvae.analysis.analyse", *measure_modules()),
    message:
        "evaluate {wildcards.fleet}, {threads} runs at a time without a GPU"
    shell:
        "python -m auxvae evaluate {params.spec:q} {params.store:q} {params.results:q} --workers {threads}"
        " --log {log:q}"
