"""A fault is one sentence: where it is, the value there, what is allowed and the remedy.

    coverages.three[0]: found 'sheer1', but the factors are radius, g1, g2; did you mean 'g1'?

The reader of a config collects all faults and refuses the config once, naming every one of them.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, in four separate fields so that programs can read it too."""

    where: str
    value: object
    allowed: str
    remedy: str

    def __str__(self) -> str:
        """The sentence, on one line whatever the names and values in it are made of."""
        where = self.where if len(self.where) <= 240 else f"{self.where[:120]}...{self.where[-117:]}"
        sentence = f"{where}: found {shown(self.value)}, but {self.allowed}; {self.remedy}"
        return "".join(each if each.isprintable() else " " for each in sentence)


@dataclass(frozen=True)
class Unread:
    """What stands in place of a value that a file's reader could not or did not read; no field takes it."""

    words: str


class Refused(Exception):
    """Raised once with all the faults of one input; the commands print the sentences and exit with status 2."""

    def __init__(self, faults: Fault | Iterable[Fault]) -> None:
        """Keep the faults, without repetitions; the message has one sentence per line."""
        several = (faults,) if isinstance(faults, Fault) else tuple(faults)
        self.faults = tuple({str(fault): fault for fault in several}.values())
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[Refused], tuple[tuple[Fault, ...]]]:
        """Pickle the faults rather than the message, so that a refusal in a worker process arrives complete."""
        return Refused, (self.faults,)


def as_step(key: object) -> str:
    """A key in a place; in quotes if it could not be seen there."""
    text = str(key)
    return text if text.isprintable() and text.strip() == text != "" else repr(text)


def shown(value: object) -> str:
    """A value as a config writes it, in at most 80 characters; `Words` are never shortened."""
    if isinstance(value, Words):
        return value
    if value is None:
        return "nothing (null)"
    if isinstance(value, (list, tuple, Mapping)) and not value:
        return "an empty section" if isinstance(value, Mapping) else "an empty list"
    text = _written(value, 80)
    return text if len(text) <= 80 else text[:77] + "..."


def _written(value: object, room: int) -> str:
    """A value as YAML, cut somewhere beyond `room` characters, however large it is."""
    if isinstance(value, str):
        return repr(value[: room + 1])
    if isinstance(value, Unread):
        return value.words
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + _joined(((f"{key}: ", each) for key, each in value.items()), room) + "}"
    if isinstance(value, (list, tuple)):  # a config has lists; a tuple is the shape of an array
        text = _joined((("", each) for each in value), room)
        return f"[{text}]" if isinstance(value, list) else f"({text}{',' * (len(value) == 1)})"
    if isinstance(value, int) and abs(value) >= 10**30:
        return f"a number of {int(value.bit_length() * 0.30103) + 1:,} digits"
    if isinstance(value, float):
        return _real(value)
    return "binary data" if isinstance(value, bytes) else f"{value}"


def _real(value: float) -> str:
    """A number as YAML 1.1 reads it: with a point, and infinities of its own."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    digits, e, power = f"{value}".partition("e")
    return f"{digits}{'' if not e or '.' in digits else '.0'}{e}{power}"


def _joined(items: Iterable[tuple[str, object]], room: int) -> str:
    """Named values with commas between them, as many as there is room for."""
    parts: list[str] = []
    for name, each in items:
        if room <= 0:
            break
        parts.append(name[:80] + _written(each, room - 2))
        room -= len(parts[-1]) + 2
    return ", ".join(parts)


class Words(str):
    """A description that takes the place of a value in a sentence: 'nothing', 'a truncated file'."""


def reason(error: Exception) -> str:
    """The message of an error, on one line of at most 200 characters; its type if there is none."""
    return " ".join(str(error).split())[:200] or type(error).__name__


# What people write, and what is meant if it is among the choices.
MEANT = {
    "gpu": ("cuda",),
    "lr": ("learning_rate",),
    "batch_size": ("batch",),
    "n_epochs": ("epochs",),
    "random_state": ("seeds", "seed"),
    "model": ("method",),
    "latent_dim": ("latents",),
    "z_dim": ("latents",),
    "arch": ("name",),
    "backbone": ("name",),
    "cnn": ("conv4",),
    "resnet": ("residual",),
    "pca": ("components",),
    "fp32": ("float32",),
    "type": ("kind", "distribution"),
    "gauss": ("gaussian", "normal"),
    "gaussian": ("normal",),
    "flat": ("uniform",),
    "mse": ("gaussian",),
    "bce": ("bernoulli",),
    "beta": ("kl", "psf_beta"),
    "tc": ("total_correlation",),
    "val": ("validation",),
    "valid": ("validation",),
    "lhs": ("latin_hypercube",),
    "min": ("low",),
    "max": ("high",),
    "mu": ("mean",),
    "loc": ("mean",),
    "scale": ("std", "pixel_scale"),
    "sd": ("std",),
    "std": ("sigma",),
    "stddev": ("std", "sigma"),
    "background": ("sky",),
    "disk": ("exponential",),
    "disc": ("exponential",),
    "hlr": ("half_light", "radius"),
    "half_light_radius": ("radius",),
    "size": ("radius", "stamp", "galaxies"),
    "re": ("radius",),
    "e1": ("g1",),
    "e2": ("g2",),
    "mag": ("flux",),
    "magnitude": ("flux",),
    "n": ("sersic_index",),
    "psf": ("psf_fwhm",),
    "seeing": ("psf_fwhm",),
    "fwhm": ("psf_fwhm",),
    "path": ("store",),
    "file": ("store",),
}


def suggest(name: str, choices: Iterable[str], otherwise: str) -> str:
    """'did you mean ...?' if a choice is spelled like the name or abbreviates the same quantity, else `otherwise`."""
    similar = meant(name, choices)
    return f"did you mean {similar!r}?" if similar else otherwise


def meant(name: str, choices: Iterable[str]) -> str:
    """The choice that is spelled like a name, or that the name stands for; empty if there is none."""
    names, short = list(choices), str(name)[:80]
    similar = [each for each in MEANT.get(short.lower(), ()) if each in names]
    similar = similar or [each for each in names if len(short) > 2 and each.startswith(short.lower())]
    similar = similar or difflib.get_close_matches(short.lower(), names, n=1, cutoff=0.6)
    similar = similar or [each for each in names if each[-1:] == short[-1:] and each[:1] == _initial(short)]
    return similar[0] if similar else ""


def _initial(name: str) -> str:
    """The letter with which astronomers abbreviate a quantity that is spelled out: g for shear (or sheer)."""
    return "g" if str(name).lower().startswith(("shear", "sheer", "gamma")) else str(name)[:1].lower()


def listed(names: Iterable[str], most: int = 40) -> str:
    """Names separated by commas, or 'none'; of many names the first, and how many more there are."""
    every = list(map(str, names))
    more = [f"{len(every) - most:,} more"] if len(every) > most else []
    return ", ".join(every[:most] + more) or "none"
