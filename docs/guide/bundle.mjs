// Reads a file made by `untaught export`, proves it, and inspects its golden pictures.
//     npm install onnxruntime-node pngjs && node bundle.mjs bottle.untaught
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

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
if (card.bundle_version > 1 || card.schema_version > 1) throw new Error("made by a newer version of untaught");
const session = await ort.InferenceSession.create(parts.get(card.graph.file));

const largest = Math.max(...card.golden.map((golden) => Math.abs(golden.score)));
for (const golden of card.golden) {
  const png = PNG.sync.read(parts.get(golden.inputs.image)); // red, green, blue, alpha
  const rgb = new Uint8Array((png.data.length / 4) * 3);
  for (let pixel = 0; pixel < png.data.length / 4; pixel++)
    rgb.set(png.data.subarray(4 * pixel, 4 * pixel + 3), 3 * pixel);
  const image = new ort.Tensor("uint8", rgb, [1, png.height, png.width, 3]);
  const { score, map } = await session.run({ image });
  const reject = score.data[0] > card.calibration.image.value;
  const off = Math.abs(score.data[0] - golden.score) / largest;
  if (off > card.tolerance || reject !== golden.reject) throw new Error(`${golden.name}: off by ${off}`);
  const expected = parts.get(golden.map);
  const highest = map.data.reduce((a, b) => Math.max(a, b));
  map.data.forEach((value, place) => {
    if (Math.abs(value - expected.readFloatLE(4 * place)) > card.tolerance * highest)
      throw new Error(`${golden.name}: the map differs at ${place}`);
  });
  console.log(`${reject ? "reject" : "accept"} ${score.data[0].toFixed(6)} ${golden.name}`);
}
