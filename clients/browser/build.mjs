// Builds what the servers embed: dist/ from src/.
//
//   node build.mjs           once
//   node build.mjs --watch   again at every change
//   node build.mjs --check   fails if dist/ is not what the sources give
//
// The player is one file: its worker and its AudioWorklet are bundled into it as text, so that another site can embed it with one
// script tag. Nothing from a package is in it: all dependencies are for building and testing.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, copyFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const dist = join(here, "dist");

/** Bytes after gzip that the player may have. */
const PLAYER_BUDGET = 60 * 1024;

const SCRIPTS = {
  "efir-player": join(source, "element", "main.ts"),
  /** Loaded by the player where WebCodecs are missing. */
  "efir-fallback": join(source, "fallback", "mse.ts"),
  "efir-publish": join(source, "publish", "main.ts"),
  page: join(source, "page", "page.ts"),
};
const COPIED = ["index.html", "first.js", "style.css", "favicon.svg"];

const settings = {
  bundle: true,
  minify: true,
  charset: "utf8",
  target: ["chrome120", "safari17", "firefox130"],
  legalComments: "none",
  logLevel: "warning",
};

/** `import code from "./worker.ts?bundle"`: that file's bundle, as a string. */
const bundled = {
  name: "bundle",
  setup(builder) {
    builder.onResolve({ filter: /\?bundle$/ }, (found) => ({
      path: join(found.resolveDir, found.path.replace(/\?bundle$/, "")),
      namespace: "bundle",
    }));
    builder.onLoad({ filter: /./, namespace: "bundle" }, async ({ path }) => {
      const result = await build({ ...settings, entryPoints: [path], format: "iife", write: false, metafile: true });
      const watchFiles = Object.keys(result.metafile.inputs).map((file) => join(process.cwd(), file));
      return { contents: result.outputFiles[0].text, loader: "text", watchFiles };
    });
  },
};

function options(folder) {
  return { ...settings, entryPoints: SCRIPTS, format: "esm", outdir: folder, plugins: [bundled] };
}

function copy(folder) {
  for (const name of COPIED) copyFileSync(join(source, "page", name), join(folder, name));
}

/** Prints every file's size; false if the player is over its budget. */
function sizes(folder) {
  let within = true;
  for (const name of readdirSync(folder).sort()) {
    const bytes = readFileSync(join(folder, name));
    const zipped = gzipSync(bytes, { level: 9 }).length;
    const over = name === "efir-player.js" && zipped > PLAYER_BUDGET;
    within &&= !over;
    console.log(`${name.padEnd(18)} ${String(bytes.length).padStart(8)} B ${String(zipped).padStart(7)} B gzip${over ? "  over its budget" : ""}`);
  }
  return within;
}

async function make(folder) {
  mkdirSync(folder, { recursive: true });
  await build(options(folder));
  copy(folder);
}

async function check() {
  const folder = mkdtempSync(join(tmpdir(), "efir-dist-"));
  try {
    await make(folder);
    const names = new Set([...readdirSync(folder), ...(existsSync(dist) ? readdirSync(dist) : [])]);
    const differing = [...names].filter((name) => {
      const [fresh, kept] = [join(folder, name), join(dist, name)];
      return !existsSync(fresh) || !existsSync(kept) || !readFileSync(fresh).equals(readFileSync(kept));
    });
    if (differing.length > 0) {
      console.error(`dist/ is not what the sources give: ${differing.join(", ")}. Run node build.mjs and commit dist/.`);
      process.exitCode = 1;
    }
    if (!sizes(folder)) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function watch() {
  mkdirSync(dist, { recursive: true });
  const copying = { name: "copy", setup: (builder) => builder.onEnd(() => copy(dist)) };
  const watching = await context({ ...options(dist), plugins: [bundled, copying], logLevel: "info" });
  await watching.watch();
}

if (process.argv.includes("--check")) {
  await check();
} else if (process.argv.includes("--watch")) {
  await watch();
} else {
  await make(dist);
  if (!sizes(dist)) process.exitCode = 1;
}
