// What to encode: codec strings for sizes, and sizes for sources.

export type VideoCodec = "h264" | "vp9" | "av1";

export const VIDEO_CODECS: readonly { codec: VideoCodec; label: string }[] = [
  { codec: "h264", label: "H.264" },
  { codec: "vp9", label: "VP9" },
  { codec: "av1", label: "AV1" },
];

/** Heights in pixels to choose from, with the bitrate that suits moving pictures in H.264. */
export const SIZES: readonly { height: number; bitrate: number }[] = [
  { height: 360, bitrate: 800_000 },
  { height: 480, bitrate: 1_200_000 },
  { height: 720, bitrate: 2_500_000 },
  { height: 1080, bitrate: 5_000_000 },
];

export interface VideoChoice {
  codec: VideoCodec;
  /** At most, in pixels; the width follows from the source. */
  height: number;
  /** Bits per second at most. */
  bitrate: number;
  framerate: number;
}

/** Width and height of what is encoded: the source's shape, at most so high, in even numbers. */
export function fit(width: number, height: number, most: number): { width: number; height: number } {
  // Upright phones: the short side counts.
  const scale = Math.min(1, most / Math.min(width, height));
  const even = (size: number): number => Math.max(2, 2 * Math.round((size * scale) / 2));
  return { width: even(width), height: even(height) };
}

/** Levels by macroblocks (16x16) per second and per picture (H.264 table A-1). */
const H264_LEVELS: readonly [level: number, perSecond: number, perPicture: number][] = [
  [30, 40_500, 1620],
  [31, 108_000, 3600],
  [32, 216_000, 5120],
  [40, 245_760, 8192],
  [42, 522_240, 8704],
  [51, 983_040, 36_864],
];
/** Levels by luma samples per second (VP9 levels, AV1 annex A). */
const VP9_LEVELS: readonly [level: number, perSecond: number][] = [
  [30, 20_736_000],
  [31, 36_864_000],
  [40, 83_558_400],
  [41, 160_432_128],
  [51, 588_251_136],
];
const AV1_LEVELS: readonly [level: number, perSecond: number][] = [
  [1, 10_454_400],
  [4, 24_969_600],
  [5, 39_938_400],
  [8, 77_856_768],
  [9, 155_713_536],
  [13, 530_841_600],
];

/** The codec string for a picture of this size. */
export function codecString(codec: VideoCodec, width: number, height: number, framerate: number): string {
  const samples = width * height * framerate;
  const two = (level: number): string => level.toString().padStart(2, "0");
  switch (codec) {
    case "h264": {
      const blocks = Math.ceil(width / 16) * Math.ceil(height / 16);
      const [level] = H264_LEVELS.find(([, rate, size]) => blocks * framerate <= rate && blocks <= size) ?? [52];
      // Constrained baseline: every decoder takes it, and it has no reordered frames.
      return `avc1.42e0${level.toString(16).padStart(2, "0")}`;
    }
    case "vp9":
      return `vp09.00.${two((VP9_LEVELS.find(([, rate]) => samples <= rate) ?? [52])[0])}.08`;
    case "av1":
      return `av01.0.${two((AV1_LEVELS.find(([, rate]) => samples <= rate) ?? [14])[0])}M.08`;
  }
}

/** What the encoder is configured with. */
export function encoderConfig(choice: VideoChoice, width: number, height: number, bitrate: number): VideoEncoderConfig {
  const { codec, framerate } = choice;
  return {
    codec: codecString(codec, width, height, framerate),
    width,
    height,
    bitrate,
    framerate,
    latencyMode: "realtime",
    ...(codec === "h264" ? { avc: { format: "avc" as const } } : {}),
  };
}

/** The codecs this browser can encode at this height, in order of preference. */
export async function supportedCodecs(height: number): Promise<VideoCodec[]> {
  if (typeof VideoEncoder !== "function") return [];
  const width = 2 * Math.round((height * 16) / 18);
  const found = await Promise.all(
    VIDEO_CODECS.map(async ({ codec }) => {
      const config = encoderConfig({ codec, height, bitrate: 1_000_000, framerate: 30 }, width, height, 1_000_000);
      const { supported } = await VideoEncoder.isConfigSupported(config).catch(() => ({ supported: false }));
      return supported === true ? [codec] : [];
    }),
  );
  return found.flat();
}
