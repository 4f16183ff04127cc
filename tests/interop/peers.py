"""The peers: how each is started, and what it cannot."""

import json
import urllib.request
from pathlib import Path

import table
from cells import (
    BETWEEN,
    BROADCAST,
    FEEDS,
    FRAMES,
    PATIENCE,
    PUBLISHES,
    SERVES,
    SUBSCRIBES,
    Context,
    Peer,
    Server,
    json_line,
)
from process import Program, Stage

ROOT = Path(__file__).parent.parent.parent
SKIPPED = "skipped: built only for scripts/interop --relay"
BROWSER = ROOT / "clients" / "browser"


class MoqRs(Peer):
    """moq-dev's library in Rust, with the bindings of PyPI."""

    name = "moq-rs (PyPI)"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.version = table.pinned(context.here / "requirements.txt", "moq-rs")

    def start(self, stage: Stage, name: str, *arguments: object) -> Program:
        python = self.context.home / "venv" / "bin" / "python"
        return stage.start(name, [python, self.context.here / "moq_rs.py", *map(str, arguments)])

    def publish(self, stage: Stage, server: Server) -> Program:
        program = self.start(stage, "peer-publisher", "publish", server.url(), BROADCAST, self.context.clip.path)
        program.find(rf"connected version=moq-transport-{stage.draft}$")
        return program

    def receive(self, stage: Stage, server: Server, path: str) -> None:
        program = self.start(stage, "peer-subscriber", "subscribe", server.url(), path, FRAMES)
        program.find(rf"connected version=moq-transport-{stage.draft}$")
        self.received(program)

    def serve(self, stage: Stage, transport: str) -> Server:
        said = json_line(self.start(stage, "peer-server", "serve"), "address")
        return Server(transport, int(said["address"].rsplit(":", 1)[1]), said["hashes"])


class InChromium(Peer):
    """Packages of npm in a page."""

    without = {"QUIC": "a browser has no QUIC but WebTransport"}
    script = BROWSER / "test" / "interop.mjs"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        manifest = json.loads((BROWSER / "package.json").read_text())
        self.version = manifest["devDependencies"][self.package]

    def start(self, stage: Stage, name: str, role: str, server: Server, **more: object) -> Program:
        options = {"url": server.url(), "hash": server.hashes[0], "draft": stage.draft, **more}
        return stage.start(name, ["node", self.script, role, json.dumps(options)])


class MoqNet(InChromium):
    """moq-dev's library in TypeScript."""

    package = "@moq/net"
    name = "@moq/net (npm, Chromium)"
    cannot = dict.fromkeys([SERVES, FEEDS], "a page cannot listen")

    def publish(self, stage: Stage, server: Server) -> Program:
        # It carries bytes and knows no media: the catalog and hang's container are written for it.
        stage.sound = False
        clip = stage.folder / "clip.json"
        clip.write_text(json.dumps(self.context.clip.hang()))
        program = self.start(stage, "peer-publisher", "publish", server, broadcast=BROADCAST, clip=str(clip))
        program.find(r"published over")
        return program

    def receive(self, stage: Stage, server: Server, path: str) -> None:
        self.received(self.start(stage, "peer-subscriber", "subscribe", server, broadcast=path, frames=FRAMES))


class MoqWatch(InChromium):
    """moq-dev's player; what it shows has the frame's number in it."""

    package = "@moq/watch"
    name = "@moq/watch (npm, Chromium)"
    cannot = {
        PUBLISHES: "it only plays",
        BETWEEN: "it only plays; see moq-rs for the publisher",
        **dict.fromkeys([SERVES, FEEDS], "a page cannot listen"),
    }

    def receive(self, stage: Stage, server: Server, path: str) -> None:
        program = self.start(stage, "peer-subscriber", "watch", server, broadcast=path, frames=FRAMES)
        program.wait(PATIENCE)


class MoqRelay(Peer):
    """moq-dev's relay, which takes long to build."""

    name = "moq-relay (crates.io)"
    cannot = dict.fromkeys([PUBLISHES, SUBSCRIBES, BETWEEN], "it only serves")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.version = table.pinned(context.here / "optional.txt", "moq-relay")
        self.program = context.home / "optional" / "bin" / "moq-relay"
        if not self.program.exists():
            self.cannot = self.cannot | dict.fromkeys([SERVES, FEEDS], SKIPPED)

    def serve(self, stage: Stage, transport: str) -> Server:
        command = [self.program, "--listen", "127.0.0.1:0", "--listen-tls-generate", "localhost"]
        command += ["--auth-public", "**", "--web-http-listen", "127.0.0.1:0"]
        program = stage.start("peer-server", command)
        port = {kind: program.find(rf'listening.* addr.*=127\.0\.0\.1:(\d+).*"{kind}"')[1] for kind in ("http", "quic")}
        with urllib.request.urlopen(f"http://127.0.0.1:{port['http']}/certificate.sha256", timeout=PATIENCE) as answer:
            return Server(transport, int(port["quic"]), [answer.read().decode().strip()])


PEERS = (MoqRs, MoqNet, MoqWatch, MoqRelay)
