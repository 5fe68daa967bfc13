"""Painted data sets (quads, digits, disks): what their configs are refused for."""

from foundation.faults import Refused
from simulations.facts import read_dataset


def faults_of(preset, written):
    """The sentences on a data set of a preset with some keys written over it."""
    faults = []
    try:
        read_dataset({"preset": preset, **written}, "d", faults)
    except Refused as refused:
        faults = refused.faults
    return [str(fault) for fault in faults]
