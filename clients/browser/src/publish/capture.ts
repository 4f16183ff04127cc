// Where pictures and sound come from.

import { FRAMES_ON_THE_WAY } from "./limit.ts";
import type { SourceKind } from "./words.ts";

export interface CaptureWish {
  source: SourceKind;
  microphone: boolean;
  height: number;
  framerate: number;
  /** For `page`. */
  stream: MediaStream | undefined;
}

/** Asks the viewer for a source. Rejects with DOMException. */
export async function capture({ source, microphone, height, framerate, stream }: CaptureWish): Promise<MediaStream> {
  if (!navigator.mediaDevices && source !== "page") throw new DOMException("", "SecurityError");
  if (source === "camera") {
    const size = { height: { ideal: height }, width: { ideal: Math.round((height * 16) / 9) } };
    return navigator.mediaDevices.getUserMedia({ video: { ...size, frameRate: { ideal: framerate } }, audio: microphone });
  }
  const pictures =
    source === "screen" ? await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: framerate } } }) : stream;
  if (pictures === undefined) throw new Error("the page gave no picture");
  const whole = new MediaStream(pictures.getTracks());
  if (!microphone || whole.getAudioTracks().length > 0) return whole;
  try {
    const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
    sound.getAudioTracks().forEach((track) => whole.addTrack(track));
    return whole;
  } catch (error) {
    if (source === "screen") whole.getTracks().forEach((track) => track.stop());
    throw error;
  }
}

/** The track's frames as a stream for the worker; undefined where the browser cannot do that. */
export function framesOf<T extends VideoFrame | AudioData>(track: MediaStreamTrack | undefined): ReadableStream<T> | undefined {
  if (track === undefined || typeof MediaStreamTrackProcessor !== "function") return undefined;
  return new MediaStreamTrackProcessor<T>({ track }).readable;
}

/** Frames off a video element, for browsers that cannot read tracks. */
export class FramePump {
  readonly #video: HTMLVideoElement;
  readonly #send: (frame: VideoFrame) => void;
  #onTheWay = 0;
  #handle: number;

  constructor(video: HTMLVideoElement, send: (frame: VideoFrame) => void) {
    this.#video = video;
    this.#send = send;
    this.#handle = video.requestVideoFrameCallback((now) => this.#frame(now));
  }

  /** The worker has one less to do. */
  taken(): void {
    this.#onTheWay -= 1;
  }

  stop(): void {
    this.#video.cancelVideoFrameCallback(this.#handle);
  }

  #frame(now: number): void {
    this.#handle = this.#video.requestVideoFrameCallback((next) => this.#frame(next));
    if (this.#onTheWay >= FRAMES_ON_THE_WAY) return;
    this.#onTheWay += 1;
    this.#send(new VideoFrame(this.#video, { timestamp: Math.round(now * 1000) }));
  }
}
