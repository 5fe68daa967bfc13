// Flux (ph), size (pixels), e1 and e2 by adaptive moments: the formulas of auxvae/metrics/shapes.py, for one image
// of one channel. null where they do not converge.

const STEPS = 200, TOLERANCE = 1e-6, START = 3;

function weighted(image, [x0, y0, xx, xy, yy]) {
  const determinant = xx * yy - xy * xy, a = yy / determinant, b = xy / determinant, c = xx / determinant;
  let total = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
  for (let i = 0; i < image.height; i++) for (let j = 0; j < image.width; j++) {
    const dx = j - x0, dy = i - y0;
    const w = image.values[i * image.width + j] * Math.exp(-0.5 * (a * dx * dx - 2 * b * dx * dy + c * dy * dy));
    total += w; sx += w * j; sy += w * i; sxx += w * j * j; sxy += w * j * i; syy += w * i * i;
  }
  const x = sx / total, y = sy / total, raw = [sxx, sxy, syy].map((each) => each / total);
  const second = [x * x, x * y, y * y].map((shift, k) => 2 * (raw[k] - shift));
  return { state: [2 * x - x0, 2 * y - y0, ...second], flux: 2 * total };
}

function isValid([x, y, xx, xy, yy], image) {
  const inside = x > 0 && y > 0 && x < image.width - 1 && y < image.height - 1;
  return inside && xx > 0 && xx * yy > xy * xy && xx + yy < Math.max(image.width, image.height) ** 2 / 8;
}

function measure(image) {
  let state = [(image.width - 1) / 2, (image.height - 1) / 2, START ** 2, 0, START ** 2];
  for (let k = 0; k < STEPS; k++) {
    const after = weighted(image, state), scale = Math.sqrt(Math.abs(state[2] + state[4]));
    const step = Math.max(...after.state.map((value, i) => Math.abs(value - state[i]))) / scale;
    state = after.state;
    if (!isValid(state, image)) return null;
    if (step < TOLERANCE) {
      const [, , xx, xy, yy] = state, trace = xx + yy;
      const size = (xx * yy - xy * xy) ** 0.25;
      return after.flux > 0 ? { flux: after.flux, size, e1: (xx - yy) / trace, e2: (2 * xy) / trace } : null;
    }
  }
  return null;
}
