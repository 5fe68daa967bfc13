"""The training loop and how the runs of a fleet share the machine."""
