"""Every term from its equation, in double precision, by numpy, scipy and torch.distributions alone."""

import math

import numpy as np
import torch
from scipy.special import logsumexp, xlogy
from torch.distributions import Normal, kl_divergence

from auxvae.data.likelihoods import Counts


def double(*tensors):
    return [each.detach().double().cpu().numpy() for each in tensors]


def exact(name, fixed, inputs):
    """The same from the equations, in numpy or torch.distributions, without the package's measures."""
    x, image, u, is_aux = double(inputs.images, inputs.reconstruction, inputs.aux, inputs.is_aux)
    mu, logv, z = double(*inputs.posterior)
    if name == "reconstruction":
        (precision,) = double(inputs.precision)
        return (precision * reference_nats(fixed.likelihood, x, image)).mean()
    if name in ("denoising", "guided"):  # what the denoiser itself gives is held to laws in test_score_runs
        return float(inputs.denoised.unguided if name == "denoising" else inputs.denoised.guided)
    if name == "kl_floored":
        diffusion, (m, v) = fixed.settings.diffusion, double(inputs.prior.mean, inputs.prior.variance)
        ratio = np.exp(logv) / v
        by_latent = 0.5 * (ratio + (mu - m) ** 2 / v - 1 - np.log(ratio)).mean(0)
        since = float(inputs.progress) - diffusion.start * (diffusion.learning == "first")
        rise = np.clip(since / diffusion.warm_up, 0, 1) if diffusion.warm_up else 1.0
        return rise * np.maximum(by_latent, diffusion.free_bits).sum()
    if name in ("kl", "kl_told", "kl_free", "kl_early", "capacity", "calibration"):
        every, done = reference_kl(inputs), float(inputs.progress)
        cooling = float(inputs.scalars.cooling)
        start, end = float(inputs.scalars.cooling_from), float(inputs.scalars.cooling_until)
        cooled = min(1, max(0, (done - start) / (end - start)))
        factor = cooling ** (1 - cooled)
        log_q = Normal(*(torch.tensor(each) for each in (mu, np.exp(0.5 * logv)))).log_prob(torch.tensor(u)).numpy()
        return {
            "kl": every.sum(1).mean(),
            "kl_told": (is_aux * every).sum(1).mean(),
            "kl_free": ((1 - is_aux) * every).sum(1).mean() * factor,
            "kl_early": ((1 - is_aux) * every).sum(1).mean() * (factor - 1),
            "calibration": cooled * (is_aux * (-100 * log_q - every)).sum(1).mean(),
            "capacity": abs(every.sum(1).mean() - float(inputs.scalars.capacity) * min(1, 3 * done)),
        }[name]
    if name in ("inter_infonce", "infonce_critic", "inter_odds", "inter_discriminator"):
        return reference_adversarial(name, inputs, u, is_aux, z)
    if name in ("density_ratio", "discriminator", "critics", "vae_of_u"):
        return reference_companion(name, inputs, u, z)
    if name == "regression":
        return 0.5 * (is_aux * (mu - u) ** 2).sum(1).mean()
    if "mean" in name or "samples" in name:
        c = np.cov(mu.T, bias=True)
        off = (c**2).sum() - (np.diag(c) ** 2).sum()
        added = np.exp(logv).mean(0) if "samples" in name else 0
        return off if "covariance" in name else ((np.diag(c) + added - 1) ** 2).sum()
    if name == "total_correlation":
        log_q = -0.5 * ((z[:, None] - mu) ** 2 / np.exp(logv) + logv + np.log(2 * np.pi))
        n = math.log(len(z))
        return (logsumexp(log_q.sum(2), 1) - n - (logsumexp(log_q, 1) - n).sum(1)).mean()
    if "mmd" in name:
        ramp = float(inputs.progress) if fixed.gated and name != "mmd" else 1
        return ramp * reference_mmd(name, fixed, inputs)
    if fixed.dependence == "mine":
        return reference_alignment_by_mine(name, inputs, u, mu, z)
    if name in ("intra", "inter") and (fixed.dependence == "hsic" or fixed.settings.correlation == "unbiased"):
        return reference_unbiased(name, fixed, inputs, u, is_aux, z)
    return reference_dependence(name, fixed, u, is_aux, mu, z)


def reference_nats(likelihood, x, y):
    """-log p of images on the scale, (B,): a normal density, or Poisson's less that of the counts themselves."""
    if not isinstance(likelihood, Counts):
        return 0.5 * ((x - y) ** 2).sum((1, 2, 3))
    counts, rate = x**2 / 4 - 0.375, (np.logaddexp(0, y) + 1e-3) ** 2 / 4
    lit = counts > 1e-4
    saturated = np.where(lit, xlogy(counts, np.where(lit, counts, 1)) - counts, 0)
    return (saturated - np.where(lit, xlogy(counts, rate), 0) + rate).sum((1, 2, 3))


def parameters(network, *names):
    """Weights and biases of the layers whose names begin so, in order."""
    stored = [p for name, p in network.named_parameters() if name.startswith(names)]
    arrays = double(*stored)
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def perceptron(layers, x):
    """Affine layers with leaky ReLUs of slope 0.2 between them; weights (outputs, inputs)."""
    for weight, bias in layers[:-1]:
        x = x @ weight.T + bias
        x = np.where(x > 0, x, 0.2 * x)
    weight, bias = layers[-1]
    return x @ weight.T + bias


def reference_companion(name, inputs, u, z):
    """The terms that read a companion network, whose layers are multiplied out here."""
    network, shuffle = inputs.companion, inputs.shuffle.cpu().numpy()
    if name == "vae_of_u":
        return reference_vae_of_u(network, inputs, u[:, : network.aux])
    if name == "critics":
        return -reference_mine(network, z, u, shuffle).sum()
    log_odds = lambda codes: perceptron(parameters(network, "odds"), codes)[:, 0]  # noqa: E731
    if name == "density_ratio":
        return log_odds(z).mean()
    apart = np.stack([z[shuffle[:, j], j] for j in range(z.shape[1])], 1)
    right, wrong = (1 / (1 + np.exp(-log_odds(codes))) for codes in (z, apart))  # probability of being joint
    return -0.5 * (np.log(right).mean() + np.log(1 - wrong).mean())


def reference_adversarial(name, inputs, u, is_aux, z):
    """InfoNCE row by row, and log odds and cross entropy of a discriminator of codes with their own or another's u."""
    (mean, std), network = double(inputs.factor_moments.mean[0], inputs.factor_moments.std[0]), inputs.companion
    u, z = np.where(is_aux > 0, (u - mean) / std, 0), np.where(is_aux > 0, 0, z)
    if "infonce" in name:
        f, g = (perceptron(parameters(network, part), x) for part, x in (("of_codes", z), ("of_variables", u)))
        pairs = [
            math.log(math.exp(a @ b) / np.mean([math.exp(a @ other) for other in g])) for a, b in zip(f, g, strict=True)
        ]
        return np.mean(pairs) if name == "inter_infonce" else -np.mean(pairs)
    odds = lambda rows: perceptron(parameters(network, "odds"), np.where(is_aux > 0, rows, z))[:, 0]  # noqa: E731
    if name == "inter_odds":
        return odds(u).mean()
    right, wrong = (1 / (1 + np.exp(-odds(rows))) for rows in (u, u[inputs.shuffle.cpu().numpy()[:, 0]]))
    return -0.5 * (np.log(right).mean() + np.log(1 - wrong).mean())


def reference_vae_of_u(network, inputs, u):
    """1/2 |u - u'|^2 + KL(q_c(z|u) || N(0, 1)), with one sample of q_c for each row."""
    mean, log_variance = np.split(perceptron(parameters(network, "encoder"), u), 2, 1)
    log_variance = np.clip(log_variance, -20, 10)
    [noise] = double(inputs.noise)
    decoded = perceptron(parameters(network, "decoder"), mean + np.exp(log_variance / 2) * noise)
    encoded = Normal(torch.tensor(mean), torch.tensor(np.exp(log_variance / 2)))
    nats = kl_divergence(encoded, Normal(0.0, 1.0)).numpy().sum(1)
    return (0.5 * ((u - decoded) ** 2).sum(1) + nats).mean()


def reference_mine(network, z, u, shuffle):
    """Donsker-Varadhan bounds of every latent with every auxiliary variable, (d, a), one critic at a time."""
    layers, bounds = parameters(network, "critics"), np.zeros((z.shape[1], network.aux))
    for j, k in np.ndindex(*bounds.shape):
        pair = j * network.aux + k
        critic = [(weight[pair].T, bias[pair, 0]) for weight, bias in layers]
        joint = perceptron(critic, np.stack([z[:, j], u[:, k]], 1))[:, 0]
        shuffled = perceptron(critic, np.stack([z[:, j], u[shuffle[:, 0], k]], 1))[:, 0]
        bounds[j, k] = joint.mean() - np.log(np.exp(shuffled).mean())
    return bounds


def reference_alignment_by_mine(name, inputs, u, mu, z):
    """Explicitness, intra and inter with R_1 = -bound and R_0 = max(bound, 0); the first a latents are auxiliary."""
    shuffle, aux = inputs.shuffle.cpu().numpy(), inputs.companion.aux
    bound = reference_mine(inputs.companion, mu if name == "inter" else z, u, shuffle)
    if name == "explicitness":
        return -np.trace(bound[:aux])
    positive = np.maximum(bound, 0)
    if name == "intra":
        return positive[:aux].sum() - np.trace(positive[:aux])
    return positive[aux:].sum() / (len(bound) - aux)


def reference_kl(inputs):
    mean, logv, m, v = (torch.tensor(each) for each in double(*inputs.posterior[:2], *inputs.prior))
    parts = [
        kl_divergence(Normal(mean[:, j], torch.exp(logv[:, j] / 2)), Normal(m[:, j], v[j].sqrt()))
        for j in range(mean.shape[1])
    ]
    return torch.stack(parts, 1).numpy()


def reference_mmd(name, fixed, inputs):
    """Sums over pairs of rows, one kernel value at a time."""
    residual, z, past, y = double(1 - inputs.is_aux, inputs.posterior.sample, inputs.queue.codes, inputs.prior_samples)
    active = residual * (
        np.clip(1 - 2 * np.exp(double(inputs.posterior.log_variance)[0]).mean(0), 0, 1) if fixed.gated else 1
    )
    n = len(z)
    if name == "mmd_pairs":
        z, past = (residual * each + (1 - residual) * (each - 0.5) * math.sqrt(12) for each in (z, past))
    if name == "mmd":
        z, past, y = z * residual, past * residual, y * residual
    every = np.concatenate([z, past])
    if name != "mmd":
        k = lambda a, b: rbf(a[:, None] - b, float(inputs.scalars.kernel_width))  # noqa: E731
        alone = [(k(every[:, j], every[:, j]), k(y[:, j], y[:, j]), k(every[:, j], y[:, j])) for j in range(z.shape[1])]
        if name == "mmd_marginal":
            each = [unbiased(zz, 0 * yy, zy) + yy.mean() for zz, yy, zy in alone]
            return float((active * each).sum())
        alone = [
            (
                zz - zz.mean(0) - zz.mean(1)[:, None] + zz.mean(),
                yy - yy.mean(0) - yy.mean(1)[:, None] + yy.mean(),
                zy - zy.mean(0) - zy.mean(1)[:, None] + zy.mean(),
            )
            for zz, yy, zy in alone
        ]
        weight = np.triu(
            active[:, None] * active + (1 - residual)[:, None] * active + (1 - residual) * active[:, None], 1
        )
        total = 0.0
        for i, j in inputs.pairs.T.tolist():
            zz, yy, zy = (a * b for a, b in zip(alone[i], alone[j], strict=True))
            total += weight[i, j] * (unbiased(zz, 0 * yy, 0 * zy) if fixed.prior_independent else unbiased(zz, yy, zy))
        chosen = weight[tuple(inputs.pairs.tolist())].sum()
        return total / chosen * weight.sum() if chosen else 0.0
    squared = lambda a, b: ((a[:, None] - b) ** 2).sum(2)  # noqa: E731
    base = {
        "prior": 2 * float((inputs.prior_variance.cpu().numpy() * residual).sum()),
        "median": torch.tensor(squared(z, y)).flatten().median().item(),
    }
    b = max(base.get(fixed.mmd.bandwidth, fixed.mmd.bandwidth), 1e-12)
    forms = {
        "imq": lambda d, s: s * b / (s * b + d),
        "rbf": lambda d, s: np.exp(-d / (s * b)),
        "laplace": lambda d, s: np.exp(-np.sqrt(d / (s * b))),
        "rational_quadratic": lambda d, s: (1 + d / (2 * s * b)) ** -s,
    }
    k = lambda a, c: np.mean([forms[fixed.mmd.kernel](squared(a, c), s) for s in fixed.mmd.scales], 0)  # noqa: E731
    if fixed.mmd.block:
        cuts = [slice(i, i + fixed.mmd.block) for i in range(0, n, fixed.mmd.block)]
        return np.mean([unbiased(k(z[c], z[c]), k(y[c], y[c]), k(z[c], y[c])) for c in cuts])
    zz, yy = k(z, every), k(y[:n], y)
    off = lambda gram: (gram.sum() - np.trace(gram[:, :n])) / (n * (gram.shape[1] - 1))  # noqa: E731
    return off(zz) + off(yy) - 2 * k(z, y).mean()


def rbf(difference, width):
    """The RBF kernel of single latents as losses.kernels defines it: eight cosines by the midpoint rule."""
    frequency = (np.arange(8) + 0.5) * np.pi / 6
    weight = np.exp(-0.5 * frequency**2)
    return (np.cos(difference[..., None] / width * frequency) * weight / weight.sum()).sum(-1)


def unbiased(zz, yy, zy):
    off = lambda gram: (gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1))  # noqa: E731
    return off(zz) + off(yy) - 2 * zy.mean()


def rho(a, b):
    a, b = a - a.mean(), b - b.mean()
    return 0.0 if a.std() * b.std() == 0 else float((a * b).mean() / (a.std() * b.std()))


def unit(a):
    return (a - a.mean()) / a.std()


def reference_hsic(a, b):
    """Normalised HSIC of two columns, by centred Gram matrices."""
    centre = lambda k: k - k.mean(0) - k.mean(1)[:, None] + k.mean()  # noqa: E731
    k, m = (centre(rbf(unit(x)[:, None] - unit(x), 1.0)) for x in (a, b))
    return (k * m).sum() / math.sqrt((k * k).sum() * (m * m).sum())


def reference_hsic_u(a, b):
    """Unbiased HSIC (Song et al., eq. 5) of two blocks of standardised columns, each as one vector."""
    squared = [sum((x[:, None] - x) ** 2 for x in map(unit, block.T)) / block.shape[1] for block in (a, b)]
    return hsic_u([np.exp(-each / 2) for each in squared])


def hsic_u(grams):
    """Unbiased HSIC of two Gram matrices, over the root of the product of their biased HSIC with themselves."""
    n, ones = len(grams[0]), np.ones(len(grams[0]))
    k, m = (gram - np.eye(n) for gram in grams)
    value = np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * ones @ k @ m @ ones
    centred = [gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean() for gram in grams]
    return value / (n * (n - 3)) / math.sqrt((centred[0] ** 2).mean() * (centred[1] ** 2).mean())


def hsic_u_of_features(a, b):
    """The same for two columns with the kernel as the cosine sums of losses.kernels, a periodic one."""
    return hsic_u([rbf(x[:, None] - x, 1.0) for x in map(unit, (a, b))])


def reference_u(name, fixed, inputs, a, b, powers_of_b, earlier):
    """U of a column of codes and one of factors, row by row: the mean over pairs of different rows of h_i h_j."""
    settings = fixed.settings
    degree = 1 if powers_of_b.shape[1] == 1 else settings.aux_degree if name == "intra" else settings.degree
    before_a, before_b = earlier
    values = []
    for p in range(1, degree + 1):
        once, before = (a - a.mean()) / a.std(), (before_a - a.mean()) / a.std()
        codes, old = ((x**p - (once**p).mean()) / (once**p).std() for x in (once, before))
        for q in range(degree):
            (mean, std), (m, s) = powers_of_b[:, 0], powers_of_b[:, q]
            x, y = ((each - mean) / std for each in (b, before_b))
            factors, older = (x, y) if q == 0 else ((x ** (q + 1) - m) / s, (y ** (q + 1) - m) / s)
            h, g = codes * factors, old * older
            total = sum(h[i] * h[j] for i in range(len(h)) for j in range(len(h)) if i != j)
            values.append((total + 2 * h.sum() * g.sum()) / (len(h) * (len(h) - 1) + 2 * len(h) * len(g)))
    return (np.mean if settings.normalise else np.sum)(values)


def reference_unbiased(name, fixed, inputs, u, is_aux, z):
    """Intra and inter with U in place of |rho|, or with HSIC_u."""
    aux = [j for j in range(z.shape[1]) if is_aux[j]]
    residual = [j for j in range(z.shape[1]) if not is_aux[j]]
    if fixed.dependence == "hsic":
        if name == "intra":
            return sum(hsic_u_of_features(z[:, j], u[:, k]) for j in aux for k in aux if j != k)
        return reference_hsic_u(z[:, residual], u[:, aux]) if aux and residual else 0.0
    codes, mean, std, mean_2, std_2 = double(inputs.earlier.codes, *inputs.factor_moments, *inputs.product_moments)
    codes = codes[: int(inputs.earlier.pushed)]
    powers = np.stack([mean, std])
    one = lambda j, k: reference_u(  # noqa: E731
        name, fixed, inputs, z[:, j], u[:, k], powers[:, :, k], (codes[:, j], codes[:, z.shape[1] + k])
    )
    if name == "intra":
        return sum(one(j, k) for j in aux for k in aux if j != k)
    total = sum(one(i, k) for i in residual for k in aux)
    if fixed.settings.interactions:
        first, second = np.triu_indices(z.shape[1], 1)
        old_u = codes[:, z.shape[1] :]
        for place, (k, m) in enumerate(zip(first, second, strict=True)):
            if k in aux and m in aux:
                of_pair = np.stack([mean_2, std_2])[:, :, place]
                total += sum(
                    reference_u(
                        name,
                        fixed,
                        inputs,
                        z[:, i],
                        u[:, k] * u[:, m],
                        of_pair,
                        (codes[:, i], old_u[:, k] * old_u[:, m]),
                    )
                    for i in residual
                )
    return total / max(1, len(residual))


def reference_dependence(name, fixed, u, is_aux, mu, z):
    aux = [j for j in range(z.shape[1]) if is_aux[j]]
    residual = [j for j in range(z.shape[1]) if not is_aux[j]]
    fold = np.mean if fixed.settings.normalise else np.sum
    if fixed.dependence == "hsic":
        r1 = lambda a, b, k: 1 - reference_hsic(a, b)  # noqa: E731
    else:
        powers = lambda a, k: [unit(a) ** p for p in range(1, k + 1)]  # noqa: E731
        r0 = lambda a, b, k: fold([abs(rho(p, q)) for p in powers(a, k) for q in powers(b, k)])  # noqa: E731
        pairs = lambda a, b, k: zip(powers(a, k), powers(b, k), strict=True)  # noqa: E731
        r1 = lambda a, b, k: fold([1 - rho(p, q) for p, q in pairs(a, b, k)])  # noqa: E731
    if name == "explicitness":
        return sum(r1(z[:, j], u[:, j], fixed.settings.aux_degree) for j in aux)
    if name == "intra":
        return sum(r0(z[:, j], u[:, k], fixed.settings.aux_degree) for j in aux for k in aux if j != k)
    total = sum(r0(mu[:, i], u[:, k], fixed.settings.degree) for i in residual for k in aux)
    if fixed.settings.interactions:
        pairs = [(k, m) for k in aux for m in aux if k < m]
        total += sum(abs(rho(mu[:, i], u[:, k] * u[:, m])) for i in residual for k, m in pairs)
    return total / max(1, len(residual))
