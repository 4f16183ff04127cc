// Numbers for people. Units are always said.

/** ms, in ms below a second and in s above. */
export function duration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "unknown";
  return Math.abs(milliseconds) < 999.5 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** ms as a bare number; with a decimal where it is small. */
export function milliseconds(value: number): string {
  if (!Number.isFinite(value)) return "?";
  return Math.abs(value) < 9.95 ? value.toFixed(1) : String(Math.round(value));
}

/** Half width of an uncertainty in ms; nothing where one clock measured it. */
export function uncertainty(value: number): string {
  return value > 0 ? `±${milliseconds(value)}` : "";
}

export function bitrate(bitsPerSecond: number): string {
  return bitsPerSecond < 999_500 ? `${Math.round(bitsPerSecond / 1000)} kb/s` : `${(bitsPerSecond / 1e6).toFixed(1)} Mb/s`;
}

/** 0…1 as percent. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0) return "0 %";
  return value < 0.1 ? "< 0.1 %" : `${value.toFixed(value < 10 ? 1 : 0)} %`;
}

export function latencyName(target: number): string {
  return target === 0 ? "Live" : duration(target);
}
