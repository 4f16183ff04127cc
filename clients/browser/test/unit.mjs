// Runs the unit tests under `node --test`: each is bundled first, because they are TypeScript.
//
//   node test/unit.mjs            all
//   node test/unit.mjs NAME…      test/unit/NAME.test.ts
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", ".test", `unit-${process.pid}`);
const wanted = process.argv.slice(2);
const files = readdirSync(join(here, "unit"))
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => wanted.length === 0 || wanted.includes(file.replace(/\.test\.ts$/, "")));
if (files.length === 0) {
  console.error(`no such test: ${wanted.join(" ")}`);
  process.exit(2);
}
mkdirSync(out, { recursive: true });
try {
  await build({
    entryPoints: files.map((file) => join(here, "unit", file)),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    outdir: out,
    outExtension: { ".js": ".mjs" },
  });
  const tests = files.map((file) => join(out, file.replace(/\.ts$/, ".mjs")));
  const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...tests], {
    cwd: join(here, ".."),
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
