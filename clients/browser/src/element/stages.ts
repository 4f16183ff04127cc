// The stages of the delay in words for people. Pure.

import type { DelayStage } from "../player/protocol.ts";

export interface StageWords {
  name: string;
  /** What happens there, in a sentence. */
  meaning: string;
}

const FIXED: Record<string, StageWords> = {
  origin: { name: "origin", meaning: "From the moment a picture was captured, or reached the origin, until the origin sent it." },
  receive: {
    name: "receiving",
    meaning: "From a picture's first byte in this browser to its last: large pictures on a slow link take longer.",
  },
  buffer: {
    name: "waiting",
    meaning: "Kept on purpose until it is due, so that an uneven network does not stop the picture. Target latency sets it.",
  },
  decode: { name: "decoding", meaning: "From giving the picture to the decoder until it was decoded." },
  paint: { name: "painting", meaning: "From the moment the picture was due and decoded until it was drawn." },
};

/** Words for every stage of a way, in its order. */
export function describeStages(stages: readonly Pick<DelayStage, "stage">[]): StageWords[] {
  const relays = stages.filter(({ stage }) => stage.startsWith("relay ")).length;
  return stages.map(({ stage }) => FIXED[stage] ?? hop(stage, relays));
}

function hop(stage: string, relays: number): StageWords {
  const [kind = "", count = ""] = stage.split(" ");
  if (kind === "relay") {
    const meaning = `How long relay ${count} typically keeps a picture, from its arrival to the first write to a viewer.`;
    return { name: `inside relay ${count}`, meaning };
  }
  if (kind !== "link") return { name: stage, meaning: "" };
  const from = count === "1" ? "the origin" : `relay ${Number(count) - 1}`;
  const isLast = Number(count) > relays;
  const clocks = "The two clocks differ; ± is what that leaves unknown.";
  return isLast
    ? { name: "network to you", meaning: `From ${from} to this browser. ${clocks}` }
    : { name: `network to relay ${count}`, meaning: `From ${from} to relay ${count}. ${clocks}` };
}
