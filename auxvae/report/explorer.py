"""The page of `auxvae explore`: one file in which a run's decoder answers its sliders, without a network.

The decoder runs in the page, from its weights, by the few kinds of layers that all networks of the table are made of
(explorer_page/decoder.js). A general runtime would be most of the file, and needs an exporter. Frames drawn in advance
would hold one latent moved at a time; ten latents have no grid. docs/explore.md has times.

True images are drawn in advance, and each is shown with its own factors (auxvae.analysis.true_images). Arrays lie in
the page as base64 of gzip, their bytes sorted by significance, images as differences of neighbouring pixels; the
browser inflates them (DecompressionStream).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.explored import Explored
from auxvae.analysis.true_images import TrueImages
from auxvae.data.store import Rows, Store
from foundation.faults import Fault, Refused, Words
from foundation.files import write_text

PARTS = Path(__file__).with_name("explorer_page")
SCRIPTS = ("arrays.js", "decoder.js", "shapes.js", "truth.js", "page.js")
LARGEST = 20e6  # bytes
SOFTENING = 10.0  # photons, of the asinh scale: that of the report's pictures
NOISE_WORDS = {
    "poisson": "σ of a pixel is the Poisson noise of the true image: the root of its photons, with sky, at least 1.",
    "gaussian": "σ of a pixel is the Gaussian noise of the data set.",
}


def packed(values: NDArray[Any], delta: bool = False) -> dict[str, Any]:
    """An array as text: kind, whether it holds differences, base64 of gzip of its bytes by significance."""
    flat = values.reshape(-1)
    if delta:
        flat = np.diff(flat, prepend=flat.dtype.type(0))  # whole numbers, which wrap around alike in the page
    planes = flat.astype(flat.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, flat.dtype.itemsize).T
    data = base64.b64encode(gzip.compress(planes.tobytes(), 9, mtime=0)).decode()
    return {"kind": flat.dtype.name, "delta": delta, "data": data}


def store_entry(store: Store, rows: Rows, galaxies: list[int], truth: TrueImages | None) -> dict[str, Any]:
    """A store as the page has it: factors and images of the galaxies that are shown, colours, noise, true images."""
    channels, side, _ = store.image_shape
    images = rows.images[galaxies].numpy()
    attributes = {name: store.dataset[name].attrs for name in rows.factors}
    limits = {name: (np.nanmin(values), np.nanmax(values)) for name, values in store.factors("train").items()}
    noise = dict(store.noise) if truth else {"kind": "none"}
    return {
        "factors": [
            {"name": name, "unit": attributes[name].get("units", ""), "low": float(low), "high": float(high)}
            for name, (low, high) in limits.items()
        ],
        "values": np.stack(list(rows.factors.values()), 1)[galaxies].tolist(),
        "rows": rows.numbers[galaxies].tolist(),
        "side": side,
        "channels": channels,
        **_scale(store, rows),
        "galaxies": store.holds_galaxies,
        "noise": noise,
        "sigma": "σ" if noise["kind"] in NOISE_WORDS else "ph",
        "words": NOISE_WORDS.get(noise["kind"], "The images have no noise: the residual is in photons."),
        "packed": packed(images.astype(np.float32)),
        "truth": _truth(truth) if truth else None,
    }


def _scale(store: Store, rows: Rows) -> dict[str, Any]:
    """The scale of the colours: asinh for photons, linear else."""
    total, photons = rows.images.sum(1), store.dataset["image"].attrs.get("units") == "ph"
    colour = store.image_shape[0] == 3 and not photons
    shown = rows.images if colour else total
    brightest = float(shown.flatten(1).amax(1).quantile(0.99))
    return {
        "darkest": 0.0 if photons else float(shown.min()),
        "brightest": brightest,
        "softening": SOFTENING if photons else None,
        "unit": "ph" if photons else "",
        "colour": colour,
    }


def _truth(truth: TrueImages) -> dict[str, Any]:
    return {
        "linear": list(truth.linear),
        "root": truth.root,
        "step": truth.step,
        "packed_rows": packed(truth.factors.astype(np.float64)),
        "packed": packed(truth.images, delta=True),
    }


def run_entry(run: Explored, title: str, store: str) -> dict[str, Any]:
    """A run as the page has it."""
    names = ", ".join(run.run.variables) or "no factor"
    facts = f"{run.run.id}: data set {run.run.dataset.name}, network {run.run.network.name}; given {names}."
    return {
        "title": title,
        "facts": facts,
        "store": store,
        "auxiliary": run.run.aux_latents,
        "latents": run.latents,
        "codes": run.codes.astype(float).tolist(),
        "layers": run.layers,
        "packed": packed(run.numbers),
    }


def write_page(out: Path, runs: list[dict[str, Any]], stores: Mapping[str, Any]) -> int:
    """Write the page, and tell its bytes; one beyond LARGEST is refused."""
    text = json.dumps({"runs": runs, "stores": stores}, allow_nan=False).replace("<", "\\u003c")
    parts = {name: (PARTS / name).read_text(encoding="utf-8") for name in (*SCRIPTS, "style.css", "explorer.html.j2")}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(parts["explorer.html.j2"])
    script = "\n".join(parts[name] for name in SCRIPTS)
    page = template.render(title=runs[0]["title"], style=parts["style.css"], script=script, data=text)
    size = len(page.encode())
    if size > LARGEST:
        value = Words(f"a page of {size / 1e6:.0f} MB")
        raise Refused(Fault(str(out), value, f"it has {LARGEST / 1e6:.0f} MB at most", "name fewer or smaller runs"))
    write_text(out, page)
    return size
