// Clips with the barcode of the built-in one, made by ffmpeg: other codecs, sizes and renditions.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", ".test", "clips");

/** As long as the built-in clip, so that a round has the same 240 frames. */
const SECONDS = 8;
const RATE = 30;

const boxes = Array.from(
  { length: 12 },
  (_, bit) => `drawbox=x=${40 + 50 * bit}:y=640:w=40:h=40:color=white:t=fill:enable='mod(floor(n/pow(2\\,${bit}))\\,2)'`,
);
/** The picture at 1280x720; renditions are scaled from it, barcode and all. */
const picture = ["drawbox=x=20:y=620:w=640:h=80:color=black:t=fill", ...boxes].join(",");

const h264 = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-sc_threshold", "0"];
const keys = ["-g", String(RATE), "-keyint_min", String(RATE), "-pix_fmt", "yuv420p"];

const KINDS = {
  /** Two renditions of one picture, and sound. */
  renditions: [
    "-filter_complex", `[0:v]${picture},split[a][b];[b]scale=640:360[small]`,
    "-map", "[a]", "-map", "[small]", "-map", "1:a", ...h264, ...keys,
    "-b:v:0", "2500k", "-maxrate:v:0", "2500k", "-bufsize:v:0", "2500k",
    "-b:v:1", "500k", "-maxrate:v:1", "500k", "-bufsize:v:1", "500k", "-c:a", "aac", "-b:a", "96k",
  ],
  /** One picture small enough that many play at once, without sound. */
  small: ["-vf", `${picture},scale=320:180`, "-map", "0:v", ...h264, ...keys, "-b:v", "200k"],
  vp9: [
    "-vf", `${picture},scale=640:360`, "-map", "0:v", "-map", "1:a", "-c:v", "libvpx-vp9", "-deadline", "realtime",
    "-cpu-used", "8", "-row-mt", "1", ...keys, "-b:v", "800k", "-c:a", "libopus", "-b:a", "64k",
  ],
  av1: [
    "-vf", `${picture},scale=640:360`, "-map", "0:v", "-map", "1:a", "-c:v", "libaom-av1", "-usage", "realtime",
    "-cpu-used", "8", ...keys, "-b:v", "800k", "-c:a", "aac", "-b:a", "96k",
  ],
};

/** Path of a clip, made on first use. */
export function clipOf(kind) {
  const path = join(folder, `${kind}.mp4`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const part = `${path}.${process.pid}.part.mp4`;
  const inputs = [
    "-f", "lavfi", "-i", `testsrc2=size=1280x720:rate=${RATE}:duration=${SECONDS}`,
    "-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${SECONDS}`,
  ];
  execFileSync("ffmpeg", ["-v", "error", "-nostdin", "-y", ...inputs, ...KINDS[kind], "-t", String(SECONDS), part]);
  renameSync(part, path);
  return path;
}
