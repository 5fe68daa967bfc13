"""The models: how well their latents line up with the factors, and what happens when only some factors are given."""
