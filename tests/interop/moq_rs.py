"""The peer `moq-rs` of PyPI (moq-dev's library): publishes, subscribes, or serves.

python moq_rs.py publish URL BROADCAST CLIP        the clip in a loop, until it is ended
python moq_rs.py subscribe URL BROADCAST FRAMES    one JSON line per frame of the first video track
python moq_rs.py serve                             says where it listens in a JSON line, and hands broadcasts on
"""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

import moq
from clip import Clip

MICROSECONDS = 1_000_000


def connect(url: str) -> moq.Client:
    # The servers are started by the test on this machine; another carrier than the one under test must not help out.
    return moq.connect(url, tls_verify=False, websocket_enabled=False, reconnect=False)


async def publish(url: str, path: str, file: str) -> None:
    clip = Clip(Path(file))
    async with connect(url) as client:
        broadcast = client.create_broadcast(path)
        video = broadcast.publish_video(moq.VideoFormat.AVC1, clip.video.configuration)
        audio = broadcast.publish_audio(moq.AudioFormat.AAC, clip.audio.configuration)
        broadcast.announce()
        schedule = [(frame.at, video, frame) for frame in clip.video.frames]
        schedule += [(frame.at, audio, frame) for frame in clip.audio.frames]
        schedule.sort(key=lambda entry: entry[0])
        begun = time.monotonic()
        start = 0.0
        while True:
            for at, producer, frame in schedule:
                await asyncio.sleep(max(0.0, begun + start + at - time.monotonic()))
                producer.write_frame(frame.payload, int((start + at) * MICROSECONDS))
                if producer is audio:
                    # A group for each frame, as moq-dev's own publishers make them.
                    audio.cut()
            start += clip.seconds


async def subscribe(url: str, path: str, wanted: str) -> None:
    async with connect(url) as client:
        broadcast = await client.announced_broadcast(path)
        catalog = await broadcast.catalog()
        name, track = next(iter(catalog.video.items()))
        # Nothing may be skipped: the frames are compared one by one.
        patient = moq.Subscription(max_age_us=10 * MICROSECONDS)
        left = int(wanted)
        async for frame in await broadcast.subscribe_media(name, track, patient):
            print(json.dumps({"payload": base64.b64encode(frame.payload).decode(), "at_us": frame.timestamp_us}), flush=True)
            # A frame without bytes ends a group.
            left -= frame.payload != b""
            if left == 0:
                return


async def serve() -> None:
    async with moq.Server("127.0.0.1:0", tls_generate=["localhost"]) as server:
        print(json.dumps({"address": server.local_addr, "hashes": server.cert_fingerprints()}), flush=True)
        await server.serve()


if __name__ == "__main__":
    moq.log_level("info")
    asyncio.run({"publish": publish, "subscribe": subscribe, "serve": serve}[sys.argv[1]](*sys.argv[2:]))
