// What lib.dom does not know yet: https://w3c.github.io/mediacapture-transform/

declare class MediaStreamTrackProcessor<T extends VideoFrame | AudioData> {
  constructor(options: { track: MediaStreamTrack; maxBufferSize?: number });
  readonly readable: ReadableStream<T>;
}

interface VideoFrame {
  /** Chromium; times in ms of `performance`. */
  metadata?(): { captureTime?: number };
}
