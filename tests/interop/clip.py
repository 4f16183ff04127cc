"""The clip that everybody publishes, frame by frame, and whether what somebody received is it."""

import base64
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Frame:
    """One coded frame as the file has it."""

    at: float  # seconds from the clip's start, presentation time
    keyframe: bool
    payload: bytes


@dataclass(frozen=True)
class Track:
    """One track of the clip in decoding order."""

    configuration: bytes  # avcC or AudioSpecificConfig
    frames: list[Frame]


class Clip:
    """The sample clip: one picture and one sound track, played round and round."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.video = read(path, "v:0")
        self.audio = read(path, "a:0")
        self.seconds = len(self.video.frames) / 30

    def hang(self) -> dict[str, object]:
        """The picture for peers that know no media: a catalog as hang writes it, and its frames."""
        rendition = {
            "codec": "avc1." + self.video.configuration[1:4].hex(),
            "description": self.video.configuration.hex(),
            "codedWidth": 1280,
            "codedHeight": 720,
            "framerate": 30,
            "container": {"kind": "legacy"},
        }
        frames = [
            {"at_us": round(frame.at * 1_000_000), "keyframe": frame.keyframe, "payload": base64.b64encode(frame.payload).decode()}
            for frame in self.video.frames
        ]
        return {"catalog": {"video": {"renditions": {"video0": rendition}}}, "seconds": self.seconds, "frames": frames}

    def judge(self, frames: list[bytes], wanted: int) -> str | None:
        """What is wrong with these pictures; None if they are a run of the clip, byte for byte."""
        source = [digest(frame.payload) for frame in self.video.frames]
        return run_of([digest(frame) for frame in frames], source, wanted)


def read(path: Path, stream: str) -> Track:
    """Takes a track out of an MP4 file."""
    entries = "packet=pts_time,pos,size,flags:stream=extradata"
    command = ["ffprobe", "-v", "error", "-select_streams", stream, "-show_data", "-show_entries", entries, "-of", "json"]
    found = json.loads(subprocess.run([*command, path], capture_output=True, check=True).stdout)
    data = path.read_bytes()
    # Lines such as `00000000: 0164 001f ffe1  .d..`.
    dump = found["streams"][0]["extradata"].strip().splitlines()
    configuration = bytes.fromhex("".join(line.split(":", 1)[1][:41].replace(" ", "") for line in dump))
    frames = []
    for packet in found["packets"]:
        begin, size = int(packet["pos"]), int(packet["size"])
        frames.append(Frame(float(packet["pts_time"]), "K" in packet["flags"], data[begin : begin + size]))
    return Track(configuration, frames)


def digest(payload: bytes) -> str:
    return hashlib.md5(payload, usedforsecurity=False).hexdigest()


def file_frames(path: Path, stream: str) -> list[str]:
    """One hash per coded frame of a file."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:{stream}", "-c", "copy", "-f", "framemd5", "-"]
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    return [line.rsplit(",", 1)[1].strip() for line in lines if not line.startswith("#")]


def run_of(got: list[str], source: list[str], wanted: int) -> str | None:
    """What is wrong with these hashes; None if they follow each other as in the looping source."""
    if len(got) < wanted:
        return f"{len(got)} frames came, {wanted} were wanted"
    places = {hash: place for place, hash in enumerate(source)}
    if got[0] not in places:
        return "frame 0 is not of the clip"
    begin = places[got[0]]
    for index, hash in enumerate(got):
        if hash != source[(begin + index) % len(source)]:
            place = places.get(hash)
            what = "is not of the clip" if place is None else f"is frame {place} of the clip"
            return f"frame {index} {what}, not frame {(begin + index) % len(source)}"
    return None


def frame_of(payload: bytes) -> bytes:
    """The coded frame in an object of `cmaf` packaging, or the payload."""
    at = 0
    while at + 8 <= len(payload):
        size = int.from_bytes(payload[at : at + 4], "big")
        if payload[at + 4 : at + 8] == b"mdat":
            return payload[at + 8 : at + size]
        if size < 8:
            break
        at += size
    return payload


def lines_to_frames(text: str) -> list[bytes]:
    """The frames that a peer's program wrote, one JSON line each."""
    objects = [json.loads(line) for line in text.splitlines() if line.startswith('{"payload"')]
    frames = [frame_of(base64.b64decode(object["payload"])) for object in objects]
    # moq-rs marks the end of a group with a frame without bytes.
    return [frame for frame in frames if frame]
