// The factors that a code stands for, the true image that is nearest to them, and the residual in standard deviations.

const slopeOf = (latent) => (latent.aligned ? latent.line : null);
const factorOf = (latent, z) => latent.line[0] + latent.line[1] * z;
const codeOf = (latent, value) => (value - latent.line[0]) / latent.line[1];

// Value of every factor: an aligned auxiliary latent says its own; the others are those of the galaxy whose latents
// stand in their block.
function factorsOf(run, store, z, a, b) {
  return store.factors.map((factor, k) => {
    const j = run.latents.findIndex((latent) => latent.variable === factor.name);
    if (j < 0) return store.values[b][k];
    return slopeOf(run.latents[j]) ? factorOf(run.latents[j], z[j]) : store.values[a][k];
  });
}

// The true image nearest to these factors, in shares of the factors' ranges, and its own factors. In a factor in which
// images are linear it is multiplied, so that its value is exactly the one wanted.
function nearestTruth(store, wanted) {
  const { rows, images, linear } = store.truth, count = store.factors.length;
  const isLinear = store.factors.map((factor) => linear.includes(factor.name));
  let best = 0, least = Infinity;
  for (let i = 0; i < rows.length / count; i++) {
    let distance = 0;
    for (let k = 0; k < count; k++) if (!isLinear[k]) {
      const { low, high } = store.factors[k];
      distance += ((rows[i * count + k] - wanted[k]) / (high - low || 1)) ** 2;
    }
    if (distance < least) [best, least] = [i, distance];
  }
  const factors = Array.from(rows.subarray(best * count, (best + 1) * count));
  let times = 1;
  isLinear.forEach((each, k) => {
    if (!each) return;
    const value = Math.max(wanted[k], 0);
    times *= value / factors[k];
    factors[k] = value;
  });
  return { factors, distance: Math.sqrt(least), image: scaled(store, images, best, times) };
}

function scaled(store, images, row, times) {
  const pixels = store.side * store.side, { root, step } = store.truth;
  const values = Float64Array.from(images.subarray(row * pixels, (row + 1) * pixels), (whole) => {
    const value = whole * step;
    return times * (root ? Math.sign(value) * (value / 2) ** 2 : value);
  });
  return { values, channels: 1, height: store.side, width: store.side };
}

// Standard deviation of the noise of a pixel: of Poisson noise the root of the expected photons, at least 1.
function noiseOf(noise, image) {
  if (noise.kind === "poisson") return (value) => Math.sqrt(Math.max(value + (noise.sky || 0), 1));
  if (noise.kind !== "gaussian") return () => 1;
  const squares = image.values.reduce((sum, value) => sum + value * value, 0);
  const sigma = noise.sigma || Math.sqrt(squares) / noise.snr;
  return () => sigma;
}

function residualOf(store, decoded, image) {
  const sigma = noiseOf(store.noise, image);
  return { ...image, values: image.values.map((value, i) => (decoded.values[i] - value) / sigma(value)) };
}
