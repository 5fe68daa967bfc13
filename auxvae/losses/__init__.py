"""What is minimised: kernels, MMD, dependence, independence, the terms, the objective of a run."""
