"""How fast the page of `auxvae explore` decodes, in chromium: `python -m benchmarks.explorer`.

For each network of the table at its default width, 33 x 33 pixels and 10 latents: bytes of its weights in a page, time
to unpack them, and time for one image.
"""

import copy

from playwright.sync_api import sync_playwright

from auxvae.analysis.decoder_layers import decoder_layers
from auxvae.config.networks import BACKBONES
from auxvae.data.likelihoods import Poisson
from auxvae.report.explorer import PARTS, packed
from tests.auxvae.models import model_of, run_of
from tests.conftest import TINY

TIMED = """async ([layers, packed]) => {
  const start = performance.now(), numbers = await unpack(packed), unpacked = performance.now() - start;
  const run = { layers, numbers }, z = new Array(10).fill(0.3);
  for (let i = 0; i < 20; i++) decode(run, z);
  const first = performance.now();
  for (let i = 0; i < 100; i++) decode(run, z);
  return [unpacked, (performance.now() - first) / 100];
}"""


def main():
    """One line for each network."""
    script = "".join((PARTS / name).read_text() for name in ("arrays.js", "decoder.js"))
    with sync_playwright() as running:
        page = running.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"]).new_page()
        page.set_content(f"<script>{script}</script>")
        for name in BACKBONES:
            model = model_of(run_of("beta_vae", {**copy.deepcopy(TINY), "network": {"name": name}}))
            layers, numbers = decoder_layers(model, Poisson(0.0), name)
            text = packed(numbers)
            unpacked, decoded = page.evaluate(TIMED, [layers, text])
            print(
                f"{name:12} {len(text['data']) / 1e6:.2f} MB, unpacked in {unpacked:.0f} ms, {decoded:.2f} ms an image"
            )


if __name__ == "__main__":
    main()
