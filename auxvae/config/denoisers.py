"""A denoiser that was trained elsewhere: a folder with denoiser.json and denoiser.safetensors (docs/sami.md).

    eps = f(x_t, l)     images x_t = alpha x + sigma eps (B, C, H, W) of standardised images x, log SNR l (B,)

denoiser.json says which images it takes, how they are standardised, between which levels it was trained, what it
predicts, and whether its network is the `unet` here or the class of a Python file in the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic.dataclasses import dataclass

from auxvae.config.diffusion import Diffusion, LogSnr
from foundation.declare import read_whole
from foundation.faults import Fault, Refused, Words
from foundation.fields import SECTION, Number, Positive, Range, Section, Text, Whole
from foundation.files import digest_file, digest_of, read_json

FACTS, WEIGHTS = "denoiser.json", "denoiser.safetensors"
LONGEST = 100_000  # bytes of denoiser.json


@dataclass(frozen=True, config=SECTION)
class DenoiserFacts(Section):
    """What denoiser.json says."""

    channels: Annotated[Whole, Range(1, 64)]
    """of an image"""

    stamp: Annotated[Whole, Range(8, 512)]
    """pixels along a side"""

    mean: Number
    """of the pixels that it was trained on, on the scale of the likelihood"""

    std: Positive
    """of these pixels"""

    low: LogSnr
    """the noisiest level that it was trained at"""

    high: LogSnr
    """the cleanest"""

    predicts: Literal["noise", "velocity", "image"] = "noise"
    """what its network returns: eps, alpha eps - sigma x, or x"""

    width: Annotated[Whole, Range(4, 512)] = 32
    """of the `unet`"""

    file: Text | None = None
    """a Python file in the folder with a network of its own"""

    name: Text | None = None
    """the class in that file, made without arguments"""

    def faults(self) -> Iterator[Fault]:
        """Levels in the wrong order, and a file without its class."""
        if self.low >= self.high:
            yield Fault(".low", self.low, f"the cleanest level is {self.high:g}", "exchange them")
        if bool(self.file) != bool(self.name):
            yield Fault(".name", self.name or Words("nothing"), "a file and its class go together", "write both")


def facts_of(folder: str) -> DenoiserFacts:
    """The facts of a folder; a folder that lacks something is refused."""
    for name in (FACTS, WEIGHTS):
        if not os.path.isfile(os.path.join(folder, name)):  # noqa: PTH113, PTH118, false too for a name too long
            remedy = "name a folder that `python -m auxvae extract` or you wrote (docs/sami.md)"
            raise Refused(Fault(folder[:200], Words(f"no {name}"), "a denoiser has it", remedy))
    if Path(folder, FACTS).stat().st_size > LONGEST:
        raise Refused(Fault(f"{folder}/{FACTS}", Words("a large file"), "it holds a few keys", "write it anew"))
    facts = read_whole(DenoiserFacts, read_json(Path(folder, FACTS), "a denoiser"), f"{folder}/{FACTS}")
    if facts.file and (Path(facts.file).name != facts.file or not Path(folder, facts.file).is_file()):
        raise Refused(Fault(f"{folder}/{FACTS}: file", facts.file, "a Python file in the folder", "correct it"))
    return facts


def digest_of_denoiser(folder: str) -> str:
    """The digest of all its files, which decide the bytes of a run."""
    facts = facts_of(folder)
    return digest_of([digest_file(Path(folder, name)) for name in (FACTS, WEIGHTS, facts.file) if name])


def denoiser_faults(diffusion: Diffusion, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """What a denoiser that was trained before, the levels of a group and its data set ask of each other."""
    if not diffusion.denoiser:
        return
    try:
        facts = facts_of(diffusion.denoiser)
    except Refused as refused:
        yield from (replace(fault, where=f"{where}.denoiser: {fault.where}") for fault in refused.faults)
        return
    for key in ("channels", "stamp"):
        if getattr(facts, key) != dataset[key]:
            text, value = f"{dataset['name']} has {dataset[key]}", Words(f"{key} {getattr(facts, key)}")
            yield Fault(f"{where}.denoiser", value, text, "take another denoiser, or other images")
    if diffusion.low < facts.low:
        text = f"the denoiser was trained at levels from {facts.low:g}"
        yield Fault(f"{where}.low", diffusion.low, text, f"write {facts.low:g} or more")
    if diffusion.high > facts.high:
        text = f"the denoiser was trained at levels up to {facts.high:g}"
        yield Fault(f"{where}.high", diffusion.high, text, f"write {facts.high:g} or less")
