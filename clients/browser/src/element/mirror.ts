// Picture-in-picture: the worker's frames as the track of a video element.

import { MAX_MIRRORED_FRAMES } from "./limit.ts";
import { make } from "./dom.ts";

declare class MediaStreamTrackGenerator extends MediaStreamTrack {
  constructor(options: { kind: "video" });
  readonly writable: WritableStream<VideoFrame>;
}

export function canMirror(): boolean {
  return document.pictureInPictureEnabled === true && "MediaStreamTrackGenerator" in globalThis;
}

export class Mirror {
  readonly #video = make("video", { class: "mirror", muted: true, playsinline: true, "aria-hidden": "true" });
  readonly #track = new MediaStreamTrackGenerator({ kind: "video" });
  readonly #writer = this.#track.writable.getWriter();
  #waiting = 0;

  /** Opens the window once frames come; `left` is called when it is closed. Rejects when the browser refuses. */
  async open(host: ParentNode, left: () => void): Promise<PictureInPictureWindow> {
    this.#video.muted = true;
    this.#video.srcObject = new MediaStream([this.#track]);
    host.append(this.#video);
    this.#video.addEventListener("leavepictureinpicture", left, { once: true });
    await this.#video.play();
    return this.#video.requestPictureInPicture();
  }

  write(frame: VideoFrame): void {
    if (this.#waiting >= MAX_MIRRORED_FRAMES) return frame.close();
    this.#waiting += 1;
    this.#writer.write(frame).catch(() => frame.close()).finally(() => (this.#waiting -= 1));
  }

  close(): void {
    if (document.pictureInPictureElement === this.#video) void document.exitPictureInPicture().catch(() => undefined);
    this.#track.stop();
    this.#video.srcObject = null;
    this.#video.remove();
  }
}
