"""Core milliseconds of forward and backward passes of conv4's layers: torch's own against matrix products.

    python benchmarks/convolutions.py

Layers of the paper's galaxies (33 x 33 pixels, width 32) that auxvae.models.convolutions replaces, and their two
neighbours of 16 positions, which it leaves to torch; batches of 64 and 256, one thread, in turns, medians. Then the
whole network, of autoencoders that are alike but for these layers.
"""

import statistics
import time

import torch
from torch import nn

from auxvae.models import convolutions
from auxvae.models.backbones import Shape, conv4

ROUNDS, STEPS = 15, 4
LAYERS = {  # channels in and out, kernel, stride, padding; pixels of the input
    "128 to 256, 4 x 4 to 2 x 2": (convolutions.Conv2d, (128, 256, 4, 2, 1), 4),
    "64 to 128, 8 x 8 to 4 x 4": (convolutions.Conv2d, (64, 128, 4, 2, 1), 8),
    "10 to 128, 1 x 1 to 2 x 2": (convolutions.ConvTranspose2d, (10, 128, 2), 1),
    "128 to 64, 2 x 2 to 4 x 4": (convolutions.ConvTranspose2d, (128, 64, 4, 2, 1), 2),
    "64 to 32, 4 x 4 to 8 x 8": (convolutions.ConvTranspose2d, (64, 32, 4, 2, 1), 4),
    "32 to 1, 8 x 8 to 33 x 33": (convolutions.ConvTranspose2d, (32, 1, 5, 4), 8),
}


def seconds(step):
    """Core seconds of a step."""
    start = time.process_time()
    for _ in range(STEPS):
        step()
    return (time.process_time() - start) / STEPS


def in_turns(steps):
    """Medians of the core milliseconds of several steps that take turns, the first round left out."""
    rounds = [[seconds(step) for step in steps] for _ in range(ROUNDS + 1)][1:]
    return [1e3 * statistics.median(times) for times in zip(*rounds, strict=True)]


def both_ways(module, *shape):
    """Forward and backward of a module, on an image that needs a gradient."""
    image = torch.randn(shape).to(memory_format=torch.channels_last).requires_grad_()
    return lambda: module(image).square().sum().backward()


def torchs(layer):
    """The same layer as torch's own class."""
    plain = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.ConvTranspose2d
    plain = plain(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
    return plain.to(memory_format=torch.channels_last)


def networks():
    """conv4 of this project, and the same of torch's own layers."""
    parts = conv4(Shape(1, 33, 10, 32), nn.SiLU)
    ours = nn.Sequential(*parts.encoder, nn.Linear(parts.features, 10), *parts.decoder)
    layers = [torchs(each) if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d)) else each for each in ours]
    return nn.Sequential(*layers), ours.to(memory_format=torch.channels_last)


def line(name, batch, steps):
    """A row of the table."""
    library, products = in_turns(steps)
    print(f"| {name} | {batch} | {library:.2f} | {products:.2f} | {library / products:.2f} |", flush=True)


def main():
    """Print a row for each layer and batch, and for the network."""
    torch.set_num_threads(1)
    print("| | batch | torch's own, ms | matrix products, ms | ratio |\n" + "|---" * 5 + "|")
    for name, (make, sizes, pixels) in LAYERS.items():
        for batch in (64, 256):
            ours = make(*sizes).to(memory_format=torch.channels_last)
            shape = (batch, sizes[0], pixels, pixels)
            line(name, batch, [both_ways(torchs(ours), *shape), both_ways(ours, *shape)])
    for batch in (64, 128, 256):
        line("conv4, all layers", batch, [both_ways(each, batch, 1, 33, 33) for each in networks()])


if __name__ == "__main__":
    main()
