"""Randomness by address: a random number depends on (seed, purpose, row), not on the order of calls.

Philox-4x64 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") maps (key, counter) to 256 bits.
The key is a hash of seed and purpose, so that streams of neighbouring seeds are unrelated; the row is part of the
counter.

A permutation of 0..n-1 is computed for any index by itself, in constant memory: a Feistel network on the next even
number of bits, applied repeatedly until the image is below n ("cycle walking": Black & Rogaway 2002).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.uint64]

ROUNDS = 8
_WORD = np.uint64(33)
_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # the finalizer of MurmurHash3


def key(seed: int, purpose: str, words: int = 2) -> Indices:
    """A hash of seed and purpose as `words` 64-bit numbers, (words,)."""
    text = hashlib.shake_128(f"{seed}/{purpose}".encode()).digest(8 * words)
    return np.frombuffer(text, dtype="<u8").astype(np.uint64)


def uniforms(seed: int, purpose: str, start: int, stop: int) -> Floats:
    """Uniform numbers in [0, 1) for rows start..stop-1, shape (rows,); four rows share one Philox block."""
    source = np.random.Philox(key=key(seed, purpose))
    source.advance(start // 4)
    return np.random.Generator(source).random(start % 4 + stop - start)[start % 4 :]


def generator(seed: int, purpose: str, row: int) -> np.random.Generator:
    """The generator of one row; the streams of neighbouring rows are 2^128 draws apart."""
    return np.random.Generator(np.random.Philox(key=key(seed, purpose), counter=[0, 0, row, 0]))


def permuted(index: Indices, size: int, seed: int, purpose: str) -> Indices:
    """Images of `index` (any shape, values below `size`) under a random permutation of 0..size-1."""
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    keys = key(seed, purpose, ROUNDS)
    out = _feistel(index, half, keys)
    while (outside := out >= size).any():
        out[outside] = _feistel(out[outside], half, keys)
    return out


def _feistel(index: Indices, half: np.uint64, keys: Indices) -> Indices:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = index >> half, index & mask
    for round_key in keys:
        left, right = right, left ^ (_mixed(right ^ round_key) & mask)
    return (left << half) | right


def _mixed(value: Indices) -> Indices:
    value = (value ^ (value >> _WORD)) * _FIRST
    value = (value ^ (value >> _WORD)) * _SECOND
    return value ^ (value >> _WORD)
