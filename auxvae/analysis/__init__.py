"""A trained run measured: scores, sensitivity, traversals, and a study gathered."""
