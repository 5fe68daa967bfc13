"""A sealed store as tensors: scaling, likelihoods, randomness by address, the folder of a run, the device."""
