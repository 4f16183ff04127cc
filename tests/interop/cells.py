"""What is tested: each peer in each direction, over each carrier and draft."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clip import Clip, digest, file_frames, lines_to_frames, run_of
from process import Failed, Program, Stage, last_line

# Video frames compared in each cell: two seconds, of which some came before the subscription.
FRAMES = 60
# Seconds for one side to get them: a browser may take most of it to start on a busy machine.
PATIENCE = 60.0
BROADCAST = "live/peer"
OURS = "live/demo"

DRAFTS = (18, 16)
TRANSPORTS = {"QUIC": "moqt", "WebTransport": "https"}

PUBLISHES = "publishes to our relay"
SUBSCRIBES = "subscribes at our relay"
BETWEEN = "our relay between two of it"
SERVES = "its server between our origin and client"
FEEDS = "its server as upstream of our relay"


@dataclass(frozen=True)
class Cell:
    """One line of the table: what to run, or why it is not."""

    peer: str
    version: str
    draft: int
    transport: str
    direction: str
    run: Callable[[Stage], None] | str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.peer, str(self.draft), self.transport, self.direction)


@dataclass(frozen=True)
class Context:
    """What the peers need."""

    clip: Clip
    # Folder of this program, and of what was installed for it.
    here: Path
    home: Path


@dataclass(frozen=True)
class Server:
    """A server of ours or of a peer."""

    transport: str
    port: int
    hashes: list[str]

    def url(self, path: str = "") -> str:
        return f"{TRANSPORTS[self.transport]}://localhost:{self.port}/{path}"


class Peer:
    """Somebody else's programs; what is not overridden they cannot."""

    name = ""
    version = ""
    # Carriers it has none of, and why.
    without: dict[str, str] = {}
    # Directions it cannot be tested in, and why.
    cannot: dict[str, str] = {}

    def __init__(self, context: Context) -> None:
        self.context = context

    def cells(self) -> Iterator[Cell]:
        """Its lines of the table."""
        runs = {
            PUBLISHES: self.publishes,
            SUBSCRIBES: self.subscribes,
            BETWEEN: self.between,
            SERVES: self.serves,
            FEEDS: self.feeds,
        }
        for draft in DRAFTS:
            for transport in TRANSPORTS:
                if reason := self.without.get(transport):
                    yield Cell(self.name, self.version, draft, transport, "all", reason)
                    continue
                for direction, run in runs.items():
                    wanted = self.cannot.get(direction) or (lambda stage, run=run, transport=transport: run(stage, transport))
                    yield Cell(self.name, self.version, draft, transport, direction, wanted)

    def publish(self, stage: Stage, server: Server) -> Program:
        """Starts publishing the clip as BROADCAST."""
        raise NotImplementedError

    def receive(self, stage: Stage, server: Server, path: str) -> None:
        """Receives FRAMES frames of a broadcast and compares them with the clip."""
        raise NotImplementedError

    def serve(self, stage: Stage, transport: str) -> Server:
        """Starts its server."""
        raise NotImplementedError

    def publishes(self, stage: Stage, transport: str) -> None:
        relay = our_relay(stage, transport)
        self.publish(stage, relay)
        check_pulled(self.context.clip, stage, relay.url(BROADCAST))

    def subscribes(self, stage: Stage, transport: str) -> None:
        relay = our_relay(stage, transport)
        stage.origin(relay.url()).find("publishing to the relay")
        self.receive(stage, relay, OURS)

    def between(self, stage: Stage, transport: str) -> None:
        relay = our_relay(stage, transport)
        self.publish(stage, relay)
        # So that the relay has the track when the peer comes, as it has for every viewer but the first.
        stage.watch(relay.url(BROADCAST))
        self.receive(stage, relay, BROADCAST)

    def serves(self, stage: Stage, transport: str) -> None:
        server = self.serve(stage, transport)
        stage.origin(server.url())
        # Their path may be a scope below which names begin.
        check_pulled(self.context.clip, stage, server.url(), "--namespace", OURS)

    def feeds(self, stage: Stage, transport: str) -> None:
        server = self.serve(stage, transport)
        stage.origin(server.url())
        relay = our_relay(stage, transport, server)
        check_pulled(self.context.clip, stage, relay.url(OURS))

    def received(self, program: Program) -> None:
        """Waits for a subscriber's end and checks the frames that it wrote."""
        try:
            program.wait(PATIENCE)
        except Failed as failure:
            raise Failed(f"{failure}: {last_line(program)}") from None
        if wrong := self.context.clip.judge(lines_to_frames(program.out.read_text()), FRAMES):
            raise Failed(f"what the peer received: {wrong}")


def our_relay(stage: Stage, transport: str, upstream: Server | None = None) -> Server:
    """Starts our relay."""
    program = stage.relay(upstream and upstream.url(), upstream.hashes if upstream else [])
    port = int(program.find(r"relay is up udp=\[127\.0\.0\.1:(\d+)")[1])
    return Server(transport, port, [program.find(r"certificate in service .*hash=([0-9a-f]{64})")[1]])


def check_pulled(clip: Clip, stage: Stage, *where: str) -> None:
    """Our client's file holds the clip's frames, picture and sound."""
    file = stage.pull(where, FRAMES, PATIENCE)
    for stream, track in [("v:0", clip.video), ("a:0", clip.audio)]:
        if stream == "a:0" and not stage.sound:
            continue
        source = [digest(frame.payload) for frame in track.frames]
        if wrong := run_of(file_frames(file, stream), source, FRAMES):
            raise Failed(f"what efir pulled, stream {stream}: {wrong}")


def json_line(program: Program, key: str) -> dict[str, object]:
    """The JSON line with this first key that a program writes."""
    return json.loads(program.find(rf'^\{{"{key}".*\}}$')[0])
