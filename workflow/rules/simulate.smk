"""Data sets that the study simulates, one store each; a start after a kill goes on behind the last whole shard."""

from simulations.spec import to_json


rule simulate:
    output:
        f"{RESULTS}/data/{{dataset}}.zarr/seal.json",
    log:
        f"{RESULTS}/logs/simulate-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/simulate-{{dataset}}.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 16
    resources:
        mem_mb=lambda w, threads: 600 + 250 * threads,
        runtime=lambda w, threads: 10
        + DECLARED.facts[w.dataset].galaxies // (20000 * threads),
    params:
        spec=lambda w: canonical(to_json(DECLARED.simulated[w.dataset])),
        store=lambda w, output: str(Path(output[0]).parent),
        code=code_hash("simulations.draw"),
    message:
        "simulate {wildcards.dataset} with {threads} processes"
    shell:
        "python -m simulations draw {params.spec:q} {params.store:q} --workers {threads} --log {log:q}"
