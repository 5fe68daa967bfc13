"""Networks: backbones, the autoencoder, critics, priors."""
