BACKBONES = {n: f"auxvae.models.backbones:{n}" for n in ("conv4", "residual", "mlp")}
COMPANIONS = {
    "discriminator": "auxvae.models.critics:Discriminator",
    "critics": "auxvae.models.critics:Critics",
    "learned_prior": "auxvae.models.critics:LearnedPrior",
    "factor_vae_of_u": "auxvae.models.critics:FactorVae",
}
FAMILIES = {"autoencoder": "auxvae.losses.objective:AutoencoderModel"}
