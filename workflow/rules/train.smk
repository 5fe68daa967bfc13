"""Fleets are trained, runs are evaluated. A fleet's declared output is its manifest, written when all its runs are
finished: Snakemake deletes the declared outputs of a failed job, and finished runs are not to be lost with it.
"""

from dataclasses import asdict


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
        spec=lambda w: canonical({**FLEETS[w.fleet].to_json(), "device": DEVICE}),
        store=lambda w: store_of(FLEETS[w.fleet].runs[0].dataset.name),
        results=lambda w, output: str(Path(output[0]).parents[1]),
        code=lambda w: training_code(FLEETS[w.fleet]),
    message:
        "train {wildcards.fleet}, {threads} runs at a time without a GPU"
    shell:
        "python -m auxvae train {params.spec:q} {params.store:q} {params.results:q} --workers {threads} --log {log:q}"


rule evaluate:
    input:
        unpack(run_inputs),
    output:
        scores=f"{RESULTS}/runs/{{run}}/scores.json",
        codes=f"{RESULTS}/runs/{{run}}/codes.nc",
        sensitivity=f"{RESULTS}/runs/{{run}}/sensitivity.nc",
        pictures=f"{RESULTS}/runs/{{run}}/pictures.nc",
    log:
        f"{RESULTS}/logs/evaluate-{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate-{{run}}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        spec=lambda w: canonical(
            {
                "run": asdict(STUDY.run(w.run)),
                "analyses": asdict(STUDY.config.analyses),
                "device": DEVICE,
            }
        ),
        store=lambda w: store_of(STUDY.run(w.run).dataset.name),
        results=lambda w, output: str(Path(output[0]).parents[2]),
        code=code_hash("auxvae.analysis.analyse"),
    message:
        "evaluate {wildcards.run}"
    shell:
        "python -m auxvae evaluate {params.spec:q} {params.store:q} {params.results:q} --log {log:q}"
