"""How long and how a run is trained."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic.dataclasses import dataclass

from foundation.fields import SECTION, Count, Flag, Number, Positive, Range, Section, Whole

A_GROUP_EACH = "write one, and a group of runs for each of the others"


@dataclass(frozen=True, config=SECTION)
class Training(Section):
    """How long and how a run is trained; every run of a fleet alike."""

    SEVERAL: ClassVar[str] = A_GROUP_EACH

    epochs: Count = 18
    """passes over the training rows"""

    batch: Annotated[Whole, Range(2, 1_000_000)] = 64
    """images per step"""

    order: Literal["rows", "shards"] = "rows"
    """order of the rows in an epoch: `rows`, any row may follow any other, and all images are held in memory; `shards`,
    for stores larger than memory, the rows of a few shards of the store at a time"""

    augment: Flag = False
    """in each epoch a turn or mirror image of each training image at random, among the symmetries that its data set
    declares, with the signs of the factors that it flips"""

    learning_rate: Annotated[Number, Range(0, 10, above=True)] = 5e-3
    """the largest of the schedule"""

    second_learning_rate: Annotated[Number, Range(0, 10, above=True)] = 1e-3
    """of a second network (discriminator, critics, learned prior), on the same schedule"""

    beta2: Annotated[Number, Range(0.5, 0.9999)] = 0.999
    """decay of Adam's mean of squared gradients; the more the gradients change, the shorter it may remember"""

    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    """`one_cycle` (rises linearly over the first tenth, falls with a cosine), `cosine` (only falls), `constant`"""

    clip: Positive | None = 2e4
    """largest norm of a run's gradient; `null` for none"""

    patience: Count | None = None
    """stop after so many epochs without a better validation bound (`keep`)"""

    keep: Literal["best", "last"] = "best"
    """weights that are scored: of the epoch with the least bound on validation rows (reconstruction, divergences from
    the prior, regression, by their weights), or of the last"""

    gpu_precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """of matrix products and convolutions on a GPU; `bfloat16`: of encoder and decoder, the loss in float32. Other than
    `float32` it may change the scores: benchmarks/gpu.py measures the change of the validation loss. A CPU does
    not read it"""
