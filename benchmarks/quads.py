"""Numbers of the quad study that its tables do not hold: docs/findings.md, "Interventions on quads".

    python benchmarks/quads.py results/context_quad

By row of the table: distances, and bits per pixel of validation rows, at 32 x 32 and by the KL divergence of 64 x 64,
a quarter as much a pixel; paired differences over seeds, 95 %; the correlation of the mean effects with those of models
of independent quads; and what the interventions of a perfect model change: images of test rows, and those with the
factors of an intervention exchanged.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from auxvae.analysis.consistency import changes
from auxvae.config.reading import study_of
from auxvae.data.store import open_store
from simulations.render import dataset_of, stamps_of

PAIRS = (("frozen", "fine_tuned"), ("base", "base_pooled"), ("fine_tuned", "end_to_end"), ("pooled", "end_to_end"))
DISTANCES = ["concept", "composition"]


def scores_of(results, runs):
    """A row of scores for each run."""
    tidy = pd.read_parquet(results / "scores.parquet").query("split == 'test' and metric in @DISTANCES")
    table = tidy.pivot_table(index="run", columns="metric", values="value")
    for run in runs:
        values = json.loads((results / "runs" / run.id / "validation.json").read_text())["scores"]
        bound, kl = values["bound"]["value"], values["kl"]["value"]
        small, large = bound / 1024, (4 * (bound - kl) + kl) / 4096
        table.loc[run.id, ["bits", "bits_64"]] = small / np.log(2), large / np.log(2)
        table.loc[run.id, ["data", "label", "seed"]] = run.dataset.name, run.label or run.method, run.seed
    return table.set_index(["data", "label", "seed"]).astype(float)


def with_half(values):
    """Mean and half the width of its 95 % interval."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():.3f} +- {half:.3f}"


def mean_effects(results, runs, data):
    """Mean strengths of the modules trained end to end on a data set, one for each pair of concepts."""
    files = [
        results / "runs" / run.id / "contexts.json"
        for run in runs
        if (run.dataset.name, run.label) == (data, "end_to_end")
    ]
    return np.mean([[pair["strength"] for pair in json.loads(file.read_text())["effects"]] for file in files], 0)


class Perfect:
    """The test rows of independent quads as images of a model: a context exchanges its factors for another row's."""

    def __init__(self, path, run):
        """Rows where nothing is done, in the order of the store."""
        store = open_store(path, run.dataset)
        self.rows, self.run, self.dataset = store.read("test"), run, dataset_of(path)
        obs = next(k for k, each in enumerate(run.dataset.contexts) if not each.of)
        self.columns = {name: each[self.rows.context == obs] for name, each in self.rows.factors.items()}

    def sample_counts(self, count, context):
        """Images (N, C, H, W), at most `count`."""
        changed = {*self.run.dataset.contexts[context].of}
        return stamps_of(
            self.dataset,
            {
                name: np.roll(each, 1)[:count] if name in changed else each[:count]
                for name, each in self.columns.items()
            },
        )


def main(results):
    """Print them."""
    runs = study_of(results / "study.json").runs
    table = scores_of(results, runs)
    print(table.groupby(level=["data", "label"]).agg(with_half).to_string())
    print(
        "largest distances of a module",
        table.loc["quads"].loc[["end_to_end", "fine_tuned", "frozen"]][DISTANCES].max().to_dict(),
    )
    for one, other in PAIRS:
        less = table.loc["quads"].loc[one] - table.loc["quads"].loc[other]
        print(f"{one} less {other}:", {name: with_half(less[name]) for name in [*DISTANCES, "bits"]})
    strengths = [mean_effects(results, runs, data) for data in ("quads", "independent")]
    print("effects with and without structure correlate by", round(np.corrcoef(strengths)[0, 1], 3))
    module = next(run for run in runs if run.dataset.name == "independent")
    perfect = changes(Perfect(results / "data" / "independent.zarr", module), is_galaxy=False, mechanisms={}).scores
    print("a perfect model:", {name: round(score.value, 3) for name, score in perfect.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
