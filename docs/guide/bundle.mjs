// Reads a file made by `untaught export`, proves it by its golden pictures, and inspects PNG files.
//     npm install onnxruntime-node pngjs && node bundle.mjs bottle.untaught [--product NAME] part.png ...
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

process.env.ORT_DISABLE_TELEMETRY ??= "1"; // read when the runtime is loaded
const require = createRequire(join(process.cwd(), "package.json")); // packages are looked up where you stand
const ort = require("onnxruntime-node");
const { PNG } = require("pngjs");

// A zip ends with a directory; entries are stored, so each is a slice of the file.
function entries(zip) {
  const end = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  const found = new Map();
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [method, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 24)];
    const [nameLength, extra, comment] = [28, 30, 32].map((place) => zip.readUInt16LE(at + place));
    const name = zip.toString("utf8", at + 46, at + 46 + nameLength);
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    if (method !== 0 || found.has(name)) throw new Error(`not a bundle: ${name}`);
    found.set(name, zip.subarray(start, start + size));
    at += 46 + nameLength + extra + comment;
  }
  return found;
}

function check(parts) {
  const sums = parts.get("SHA256SUMS").toString().trimEnd().split("\n").map((line) => line.split("  "));
  const listed = new Map(sums.map(([hash, name]) => [name, hash]));
  for (const [name, data] of parts) {
    if (name.startsWith("SHA256SUMS")) continue;
    const hash = createHash("sha256").update(data).digest("hex");
    if (listed.get(name) !== hash) throw new Error(`${name} is not the one that was exported`);
    listed.delete(name);
  }
  if (listed.size) throw new Error(`missing: ${[...listed.keys()]}`);
}

const parts = entries(readFileSync(process.argv[2]));
check(parts);
const card = JSON.parse(parts.get("card.json"));
if (card.bundle_version > 2 || card.schema_version > 4) throw new Error("made by a newer version of untaught");
const named = process.argv[3] === "--product";
const product = named ? process.argv[4] : "", files = process.argv.slice(named ? 5 : 3);
if (product && !(product in card.products)) throw new Error(`no product ${product} among ${Object.keys(card.products)}`);
if (files.length && card.graph.inputs.some(({ name }) => name !== "image"))
  throw new Error("this model looks at depth, whose preparation is left out here");
if (files.length) regionOf(product); // a product that must be named and is not ends here
const session = await ort.InferenceSession.create(parts.get(card.graph.file));
const { height, width, tiling } = card.recipe;

// A PNG as rows of red, green, blue; transparency lies on black.
function pixels(file) {
  const png = PNG.sync.read(file); // red, green, blue, alpha
  const data = new Uint8Array((png.data.length / 4) * 3);
  for (let at = 0; at < data.length; at++) {
    const pixel = 4 * Math.floor(at / 3);
    data[at] = Math.round((png.data[pixel + (at % 3)] * png.data[pixel + 3]) / 255);
  }
  return { data, height: png.height, width: png.width };
}

// One direction of a bilinear resize with antialiasing: a triangle two target pixels wide, rounded to whole values.
// Weights of 22 bits, as Pillow has them, decide ties the same way.
function resized({ data, lines, length, step, pitch }, target, out) {
  const scale = length / target, reach = Math.max(scale, 1);
  for (let place = 0; place < target; place++) {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach + 0.5));
    const end = Math.min(length, Math.floor(centre + reach + 0.5));
    const raw = [];
    for (let at = first; at < end; at++) raw.push(Math.max(0, 1 - Math.abs(at + 0.5 - centre) / reach));
    const total = raw.reduce((a, b) => a + b);
    const weights = raw.map((weight) => Math.round((weight / total) * 2 ** 22));
    for (let line = 0; line < lines; line++)
      for (let colour = 0; colour < 3; colour++) {
        const sum = weights.reduce((a, weight, k) => a + weight * data[line * pitch + (first + k) * step + colour], 0);
        out.data[line * out.pitch + place * out.step + colour] = Math.round(sum / 2 ** 22);
      }
  }
  return out.data;
}

// From a PNG file to the picture that the graph, or its tiles, are cut from: card.preparation, step by step.
function prepared(file, region) {
  const { data, height: rows, width: columns } = pixels(file);
  const across = resized(
    { data, lines: rows, length: columns, step: 3, pitch: 3 * columns }, width,
    { data: new Uint8Array(3 * rows * width), step: 3, pitch: 3 * width },
  );
  const picture = resized(
    { data: across, lines: width, length: rows, step: 3 * width, pitch: 3 }, height,
    { data: new Uint8Array(3 * height * width), step: 3 * width, pitch: 3 },
  );
  if (region) for (let at = 0; at < height * width; at++) if (!region.inside[at]) picture.set(region.fill, 3 * at);
  return picture;
}

// Where the pictures of a product are looked at; null: everywhere.
function regionOf(product) {
  const areas = card.recipe.areas ?? {}, names = Object.keys(areas);
  if (names.length && !(product in areas)) throw new Error(`name the product: --product ${names.join(" or ")}`);
  const area = names.length ? areas[product] : card.recipe.area;
  if (!area) return null;
  return { fill: area.fill, inside: pixels(Buffer.from(area.png, "base64")).data.filter((_, at) => at % 3 === 0) };
}

// Where tiles begin along a length, and with what weight each of their places counts.
function line(begin, length) {
  const { side, overlap } = tiling;
  const count = length === side ? 1 : Math.ceil((length - overlap) / (side - overlap));
  const starts = Array.from({ length: count }, (_, k) => Math.floor((k * (length - side)) / Math.max(1, count - 1)));
  const total = new Float64Array(length);
  const raised = starts.map((start, k) => {
    const before = k ? starts[k - 1] + side - start : 0, after = k + 1 < count ? start + side - starts[k + 1] : 0;
    const part = (place, shared) => (shared > 0 ? Math.sin((Math.PI / 2) * Math.min(1, place / shared)) ** 2 : 1);
    const weights = Array.from({ length: side }, (_, x) => part(x + 0.5, before) * part(side - x - 0.5, after));
    weights.forEach((weight, x) => (total[start + x] += weight));
    return weights;
  });
  return starts.map((start, k) => ({
    start: begin + start, weights: raised[k].map((weight, x) => weight / total[start + x]),
  }));
}

// The tiles of a picture, each with its place; one tile where there is no tiling.
function tiles() {
  if (!tiling) return [{ top: 0, left: 0, weight: () => 1 }];
  const [top, left, bottom, right] = tiling.box ?? [0, 0, height, width];
  return line(top, bottom - top).flatMap((down) => line(left, right - left).map((across) => (
    { top: down.start, left: across.start, weight: (y, x) => down.weights[y] * across.weights[x] }
  )));
}

// Score and map of a picture: `inputs` holds arrays by the names of graph.inputs; `known` is the calibration that judges.
async function answer(inputs, region, known) {
  const map = new Float32Array(height * width);
  let score = -Infinity;
  for (const { top, left, weight } of tiles()) {
    const feeds = {};
    for (const { name, type, shape: [, rows, columns, channels] } of card.graph.inputs) {
      const part = new (type === "uint8" ? Uint8Array : Float32Array)(rows * columns * channels);
      for (let y = 0; y < rows; y++) {
        const from = ((top + y) * width + left) * channels;
        part.set(inputs[name].subarray(from, from + columns * channels), y * columns * channels);
      }
      feeds[name] = new ort.Tensor(type, part, [1, rows, columns, channels]);
    }
    const came = await session.run(feeds);
    const [, rows, columns] = came.map.dims;
    score = Math.max(score, came.score.data[0]);
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++)
        map[(top + y) * width + left + x] += weight(y, x) * came.map.data[y * columns + x];
  }
  if (region) {
    const lowest = map.reduce((least, value, at) => (region.inside[at] ? Math.min(least, value) : least), Infinity);
    map.forEach((_, at) => region.inside[at] || (map[at] = lowest));
  }
  return { score, map, reject: score > known.image.value };
}

// Numbers of a part as they lie in the file; a copy, as they may begin at any byte.
const floats = (part) => new Float32Array(Uint8Array.from(part).buffer);
const tell = ({ reject, score }, name) => console.log(`${reject ? "reject" : "accept"} ${score.toFixed(6)} ${name}`);

const golden = card.golden.map((one) => ({ ...one, map: floats(parts.get(one.map)) }));
const largest = Math.max(...golden.map((one) => Math.abs(one.score)));
const highest = Math.max(...golden.map((one) => one.map.reduce((a, b) => Math.max(a, Math.abs(b)), 0)));
for (const expected of golden) {
  const inputs = {};
  for (const [name, file] of Object.entries(expected.inputs))
    inputs[name] = file.endsWith(".png") ? pixels(parts.get(file)).data : floats(parts.get(file));
  const came = await answer(inputs, regionOf(expected.product), card.calibration);
  const off = Math.abs(came.score - expected.score) / largest;
  if (off > card.tolerance || came.reject !== expected.reject) throw new Error(`${expected.name}: off by ${off}`);
  came.map.forEach((value, place) => {
    if (Math.abs(value - expected.map[place]) > card.tolerance * highest)
      throw new Error(`${expected.name}: the map differs at ${place}`);
  });
  tell(came, expected.name);
}

for (const file of files) {
  const region = regionOf(product), known = product ? card.products[product] : card.calibration;
  tell(await answer({ image: prepared(readFileSync(file), region) }, region, known), file);
}
