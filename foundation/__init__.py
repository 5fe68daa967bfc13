"""The foundation of every room: faults as sentences, declared specs, whole-or-absent files, provenance, console.

This package knows nothing of galaxies or networks. It imports neither numpy nor torch, because the specs built on it
are also read inside the Snakefile.
"""
