// The decoder of a run, layer by layer as auxvae/analysis/decoder_layers.py describes it; in double precision, from
// float32 weights. An image is {values, channels, height, width}, channels first; a vector has height and width 1.

const erf = (x) => { // Numerical Recipes, erfc by Chebyshev coefficients: 1.2e-7 at most
  const t = 1 / (1 + 0.5 * Math.abs(x));
  const series = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
    1.00002368, -1.26551223].reduce((sum, c) => sum * t + c, 0);
  return Math.sign(x) * (1 - t * Math.exp(-x * x + series));
};
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const elementwise = (f) => (x, layer, numbers) => ({ ...x, values: x.values.map((v) => f(v, layer, numbers)) });
const slice = (numbers, [offset, length]) => numbers.subarray(offset, offset + length);

function linear(x, layer, numbers) {
  const weight = slice(numbers, layer.weight), bias = slice(numbers, layer.bias), inputs = x.values.length;
  const values = new Float64Array(bias.length);
  for (let i = 0, at = 0; i < values.length; i++) {
    let sum = bias[i];
    for (let j = 0; j < inputs; j++) sum += weight[at++] * x.values[j];
    values[i] = sum;
  }
  const flat = { values, channels: values.length, height: 1, width: 1 };
  return layer.shape ? unflatten(flat, layer) : flat;
}

function unflatten(x, layer) {
  const [channels, height, width] = layer.shape;
  return { values: x.values, channels, height, width };
}

// Weights by tap, (k k, out, in), so that a sum over channels reads neighbours; made once for a layer.
function byTap(layer, numbers, inputs, isTransposed) {
  if (layer.taps) return layer.taps;
  const weight = slice(numbers, layer.weight), outputs = layer.channels, taps = layer.kernel ** 2;
  layer.taps = new Float64Array(weight.length);
  for (let d = 0; d < outputs; d++) for (let c = 0; c < inputs; c++) for (let t = 0; t < taps; t++)
    layer.taps[(t * outputs + d) * inputs + c] = weight[(isTransposed ? c * outputs + d : d * inputs + c) * taps + t];
  return layer.taps;
}

// Values with the channels first, (C, P), as (P, C), or back if the two sizes are exchanged.
function turned(values, rows, columns) {
  const result = new Float64Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j];
  return result;
}

// Both kinds of convolution: every pixel of the small image and every tap meet one pixel of the large image, if any.
function convolve(x, layer, numbers, isTransposed) {
  const { channels, kernel: k, stride: s, padding: p } = layer, inputs = x.channels;
  const side = (size) => (isTransposed ? (size - 1) * s + k - 2 * p : Math.floor((size + 2 * p - k) / s) + 1);
  const height = side(x.height), width = side(x.width), weight = byTap(layer, numbers, inputs, isTransposed);
  const [small, large] = isTransposed ? [x, { height, width }] : [{ height, width }, x];
  const from = turned(x.values, inputs, x.height * x.width), to = new Float64Array(height * width * channels);
  for (let i = 0; i < small.height; i++) for (let j = 0; j < small.width; j++)
    for (let u = 0; u < k; u++) for (let v = 0; v < k; v++) {
      const row = s * i + u - p, column = s * j + v - p;
      if (row < 0 || row >= large.height || column < 0 || column >= large.width) continue;
      const near = i * small.width + j, far = row * large.width + column;
      const [source, target] = isTransposed ? [near, far] : [far, near];
      addProduct(weight, (u * k + v) * channels * inputs, from, source * inputs, inputs, to, target * channels, channels);
    }
  const bias = slice(numbers, layer.bias), values = turned(to, height * width, channels);
  for (let n = 0; n < values.length; n++) values[n] += bias[Math.floor(n / (height * width))];
  return { values, channels, height, width };
}

// to[target + d] += sum_c weight[at + d inputs + c] from[source + c]
function addProduct(weight, at, from, source, inputs, to, target, outputs) {
  for (let d = 0; d < outputs; d++) {
    let sum = 0;
    for (let c = 0; c < inputs; c++) sum += weight[at++] * from[source + c];
    to[target + d] += sum;
  }
}

function norm(x, layer, numbers) {
  const weight = slice(numbers, layer.weight), bias = slice(numbers, layer.bias), values = x.values.slice();
  const pixels = x.height * x.width, size = (x.channels / layer.groups) * pixels;
  for (let g = 0; g < layer.groups; g++) {
    const group = values.subarray(g * size, (g + 1) * size);
    const mean = group.reduce((sum, v) => sum + v, 0) / size;
    const variance = group.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size;
    for (let i = 0; i < size; i++) {
      const channel = Math.floor((g * size + i) / pixels);
      group[i] = ((group[i] - mean) / Math.sqrt(variance + layer.epsilon)) * weight[channel] + bias[channel];
    }
  }
  return { ...x, values };
}

function residual(x, layer, numbers) {
  const change = apply(x, layer.layers, numbers).values;
  return { ...x, values: x.values.map((v, i) => v + change[i]) };
}

// Photons from Anscombe's square root: the table between its ends, beyond it the series solved for s = y / 2.
function fromTable(y, layer, numbers) {
  if (y <= layer.first) return -layer.sky;
  if (y > layer.last) return beyond(y, layer.series) - layer.sky;
  const table = slice(numbers, layer.table), steps = table.length - 1;
  const place = ((y - layer.first) / (layer.last - layer.first)) * steps;
  const left = Math.min(Math.floor(place), steps - 1);
  return table[left] + (place - left) * (table[left + 1] - table[left]) - layer.sky;
}

function beyond(y, series) {
  let s = y / 2;
  for (let i = 0; i < 5; i++) s = (y + series.reduceRight((sum, c) => sum / (s * s) + c, 0) / s) / 2;
  return s * s - 0.375;
}

const layers = {
  linear, unflatten, norm, residual,
  convolution: (x, layer, numbers) => convolve(x, layer, numbers, false),
  transposed: (x, layer, numbers) => convolve(x, layer, numbers, true),
  silu: elementwise((v) => v * sigmoid(v)),
  gelu: elementwise((v) => 0.5 * v * (1 + erf(v * Math.SQRT1_2))),
  relu: elementwise((v) => Math.max(v, 0)),
  sigmoid: elementwise(sigmoid),
  affine: elementwise((v, layer) => layer.a * v + layer.b),
  table: elementwise(fromTable),
  rate: elementwise((v, layer) => ((softplus(v) + layer.darkest) / 2) ** 2 - layer.sky),
};

function apply(x, chain, numbers) {
  return chain.reduce((value, layer) => layers[layer.kind](value, layer, numbers), x);
}

// Photons {values, channels, height, width} of a code.
function decode(run, z) {
  const code = { values: Float64Array.from(z), channels: z.length, height: 1, width: 1 };
  return apply(code, run.layers, run.numbers);
}
