"""Fleets are trained, runs are evaluated. A fleet's declared output is its manifest, written when all its runs are
finished: Snakemake deletes the declared outputs of a failed job, and finished runs are not to be lost with it."""

import math
from dataclasses import asdict

FLEETS = {fleet.id: fleet for fleet in STUDY.fleets}
DEVICE = STUDY.config.device


def fleet_minutes(wildcards, threads):
    """A bound for a cluster: three times the estimate on these cores, without a GPU."""
    share = len(FLEETS[wildcards.fleet].runs) / len(STUDY.runs)
    return 15 + math.ceil(3 * 60 * STUDY.core_hours() * share / threads)


def run_inputs(wildcards):
    """The fleet that trains a run and the store it is scored on."""
    fleet = STUDY.fleet_of(wildcards.run)
    dataset = STUDY.run(wildcards.run).dataset.name
    return {"fleet": f"{RESULTS}/fleets/{fleet.id}.json", "seal": seal_of(dataset)}


rule train:
    input:
        lambda w: seal_of(FLEETS[w.fleet].runs[0].dataset.name),
    output:
        f"{RESULTS}/fleets/{{fleet}}.json",
    params:
        spec=lambda w: canonical({**FLEETS[w.fleet].to_json(), "device": DEVICE}),
        store=lambda w: store_of(FLEETS[w.fleet].runs[0].dataset.name),
        code=code_hash("auxvae.train"),
    log:
        f"{RESULTS}/logs/train-{{fleet}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train-{{fleet}}.tsv"
    threads: lambda w: len(FLEETS[w.fleet].runs)
    resources:
        mem_mb=lambda w, threads: 800 + 900 * threads,
        runtime=fleet_minutes,
    conda:
        "../../envs/train.yaml"
    message:
        "train {wildcards.fleet}, {threads} runs at a time without a GPU"
    shell:
        "{PYTHON} -m auxvae train {params.spec:q} {params.store:q} {RESULTS:q} --workers {threads} --log {log:q}"


rule evaluate:
    input:
        unpack(run_inputs),
    output:
        scores=f"{RESULTS}/runs/{{run}}/scores.json",
        codes=f"{RESULTS}/runs/{{run}}/codes.nc",
        sensitivity=f"{RESULTS}/runs/{{run}}/sensitivity.nc",
        pictures=f"{RESULTS}/runs/{{run}}/pictures.nc",
    params:
        spec=lambda w: canonical(
            {"run": asdict(STUDY.run(w.run)), "analyses": asdict(STUDY.config.analyses), "device": DEVICE}
        ),
        store=lambda w: store_of(STUDY.run(w.run).dataset.name),
        code=code_hash("auxvae.analyse"),
    log:
        f"{RESULTS}/logs/evaluate-{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate-{{run}}.tsv"
    resources:
        mem_mb=1500,
        runtime=30,
    conda:
        "../../envs/train.yaml"
    message:
        "evaluate {wildcards.run}"
    shell:
        "{PYTHON} -m auxvae evaluate {params.spec:q} {params.store:q} {RESULTS:q} --log {log:q}"
