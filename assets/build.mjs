// Bundles ./sources into ./dist; hatch_build.py lays both beside this file.
//
// Each entry becomes NAME-HASH.js or .css, so that browsers may keep it forever, and manifest.json says which file stands
// for which entry: {"app.js": "app-….js", "app.css": "app-….css"}. Paths are relative: equal sources give equal names.

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const { metafile } = await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["sources/app.js", "sources/app.css"],
  outdir: "dist",
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "eof",
  loader: { ".svg": "file", ".woff2": "file" },
  metafile: true,
});

const manifest = {};
for (const [file, { entryPoint }] of Object.entries(metafile.outputs)) {
  if (entryPoint) manifest[path.basename(entryPoint)] = path.basename(file);
}
await writeFile(path.join(import.meta.dirname, "dist/manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
