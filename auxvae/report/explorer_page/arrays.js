// Arrays from the page's own text: base64 of gzip of the byte planes of whole or real numbers, perhaps of differences.

const KINDS = { int16: Int16Array, int32: Int32Array, float32: Float32Array, float64: Float64Array };

async function unpack({ kind, delta, data }) {
  const packed = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const width = KINDS[kind].BYTES_PER_ELEMENT, count = planes.length / width, bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < width; plane++)
    for (let i = 0; i < count; i++) bytes[i * width + plane] = planes[plane * count + i];
  const values = new KINDS[kind](bytes.buffer);
  if (delta) for (let i = 1; i < count; i++) values[i] += values[i - 1];
  return values;
}
