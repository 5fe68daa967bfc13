"""Data sets that the study simulates, one store each. A large one is drawn by several jobs, then verified and sealed by
one; simulations.jobs says how many. A start after a kill goes on behind the last whole shard of each job, and a shard
that was lost or damaged is drawn again, by the job that seals.
"""


rule draw:
    output:
        temp(touch(f"{RESULTS}/data/{{dataset}}.parts/{{part}}")),
    log:
        f"{RESULTS}/logs/draw-{{dataset}}-{{part}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/draw-{{dataset}}-{{part}}.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: lambda w: cpus_for(DECLARED.simulated[w.dataset])
    resources:
        mem_mb=simulated_megabytes,
        runtime=lambda w, threads, attempt: attempt
        * minutes_for(DECLARED.simulated[w.dataset], threads),
    params:
        spec=simulated_spec,
        store=f"{RESULTS}/data/{{dataset}}.zarr",
        code=code_hash("simulations.draw"),
    message:
        "draw part {wildcards.part} of {wildcards.dataset} with {threads} processes"
    shell:
        "python -m simulations draw {params.spec:q} {params.store:q} --part {wildcards.part} --workers {threads}"
        " --log {log:q}"


rule simulate:
    input:
        lambda w: expand(
            "{results}/data/{dataset}.parts/{part}",
            results=RESULTS,
            dataset=w.dataset,
            part=PARTS[w.dataset],
        ),
    output:
        f"{RESULTS}/data/{{dataset}}.zarr/seal.json",
    log:
        f"{RESULTS}/logs/simulate-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/simulate-{{dataset}}.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: lambda w: 1 if PARTS[w.dataset] else cpus_for(DECLARED.simulated[w.dataset])
    resources:
        mem_mb=simulated_megabytes,
        runtime=lambda w, threads, attempt: attempt
        * (
            sealing_minutes_for(DECLARED.simulated[w.dataset])
            if PARTS[w.dataset]
            else minutes_for(DECLARED.simulated[w.dataset], threads)
        ),
    params:
        spec=simulated_spec,
        store=lambda w, output: str(Path(output[0]).parent),
        code=code_hash("simulations.draw"),
    message:
        "simulate {wildcards.dataset} with {threads} processes"
    shell:
        "python -m simulations draw {params.spec:q} {params.store:q} --workers {threads} --log {log:q}"


rule films:
    input:
        f"{RESULTS}/data/{{dataset}}.zarr/seal.json",
    output:
        f"{RESULTS}/data/{{dataset}}-films.npz",
    log:
        f"{RESULTS}/logs/films-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/films-{{dataset}}.tsv"
    conda:
        "../../envs/simulate.yaml"
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 20 * attempt,
    params:
        store=lambda w, input: str(Path(input[0]).parent),
        options=films_options(),
        code=code_hash("simulations.films"),
    message:
        "draw films of {wildcards.dataset}"
    shell:
        "python -m simulations films {params.store:q} {output:q} {params.options} --log {log:q}"


rule shapes:
    input:
        lambda w: seal_of(w.dataset),
    output:
        f"{RESULTS}/data/{{dataset}}-shapes.npz",
    log:
        f"{RESULTS}/logs/shapes-{{dataset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/shapes-{{dataset}}.tsv"
    conda:
        "../../envs/simulate.yaml"
    resources:
        mem_mb=lambda w, attempt: 2000 * attempt,
        runtime=lambda w, attempt: 60 * attempt,
    params:
        store=lambda w, input: str(Path(input[0]).parent),
        code=code_hash("simulations.hsm"),
    message:
        "measure shapes of {wildcards.dataset} by HSM"
    shell:
        "python -m simulations shapes {params.store:q} {output:q} --log {log:q}"
