"""`python -m auxvae explore RUN [RUN ...]`: read the runs and their stores, draw the true images, write the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auxvae.analysis.explore import distinct_titles, run_of, store_of
from auxvae.analysis.explored import explored, galaxies_of
from auxvae.analysis.true_images import can_be_drawn, true_images
from auxvae.config.run import Run
from auxvae.data.store import Store
from auxvae.report.explorer import run_entry, store_entry, write_page
from foundation.console import log


def explore(folders: Sequence[Path], out: Path, named: Path | None) -> None:
    """Write the page of these runs' folders; a fault of any is said before anything is computed."""
    runs = [run_of(folder) for folder in folders]
    stores = [store_of(folder, run, named) for folder, run in zip(folders, runs, strict=True)]
    titles = distinct_titles([run.title for run in runs], [run.id for run in runs])
    by_path = {str(store.path.absolute()): store for store in stores}
    keys = [str(store.path.absolute()) for store in stores]
    names = {path: f"store {k + 1}" for k, path in enumerate(by_path)}  # the page tells no path of the machine
    runs_in_page: list[dict[str, Any]] = []
    entries: dict[str, Any] = {}
    for path, store in by_path.items():
        rows = store.read("test")
        mine = [k for k, key in enumerate(keys) if key == path]
        for k in mine:
            runs_in_page.append(run_entry(explored(runs[k], folders[k], store, rows), titles[k], names[path]))
        galaxies = galaxies_of(rows)
        entries[names[path]] = store_entry(
            store, rows, galaxies, _truth(store, [runs[k] for k in mine], rows, galaxies)
        )
    size = write_page(out, runs_in_page, entries)
    log.info(f"{out}: {size / 1e6:.1f} MB; open it in a browser")


def _truth(store: Store, runs: list[Run], rows: Any, galaxies: list[int]) -> Any:
    """The true images, where the store was simulated."""
    if not can_be_drawn(store):
        log.info(
            f"{store.path}: these are no galaxies that their factors draw, so that there are no true images to show"
        )
        return None
    log.info(f"{store.path}: drawing true images")
    return true_images(store, runs, rows, galaxies)
