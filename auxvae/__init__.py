"""The models: which latents line up with which factors, and what happens when only some factors are told."""
