"""Programs that a test starts: each ends with the test, and what it said is kept for the failure's reason."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

# Seconds.
START = 60.0
END = 10.0


class Failed(Exception):
    """A cell failed; the text says what was seen."""


class Program:
    """A running program; its output goes to files."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)

    def said(self) -> str:
        """All of its output without colours."""
        text = self.out.read_text(errors="replace") + self.err.read_text(errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text)

    def find(self, pattern: str, seconds: float = START) -> re.Match[str]:
        """Waits until it said something that matches."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.said(), re.MULTILINE):
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise Failed(f"{self.name} did not say {pattern!r}")

    def wait(self, seconds: float) -> None:
        """Waits for its good end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} was not done after {seconds:.0f} s") from None
        if code != 0:
            raise Failed(f"{self.name} ended with {code}")

    def ask_to_end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Waits for its end, and makes it after a while."""
        try:
            self.process.wait(END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stage:
    """The programs of one cell."""

    def __init__(self, folder: Path, ours: Path, draft: int) -> None:
        self.folder = folder
        self.ours = ours
        self.draft = draft
        self.programs: list[Program] = []
        # Whether the broadcast has a sound track.
        self.sound = True
        # Our servers speak the cell's draft only, so a peer cannot fall back to another one.
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "EFIR_DRAFTS": f"[{draft}]",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, name: str, command: list[str | Path], environment: dict[str, str] | None = None) -> Program:
        """Starts a program that ends with the cell."""
        more = self.environment if environment is None else environment
        program = Program(name, [str(part) for part in command], self.folder, more)
        self.programs.append(program)
        return program

    def relay(self, upstream: str | None, hashes: list[str]) -> Program:
        """Starts our relay."""
        settings = self.folder / "relay.toml"
        # Nobody is waited for at the end.
        text = 'listen = ["127.0.0.1:0", "[::1]:0"]\nhttp_port = 0\ndrain_ms = 1\n'
        if upstream is not None:
            text += f"[[upstream]]\nurl = {upstream!r}\ncertificate_hashes = {hashes!r}\n"
        settings.write_text(text)
        command = [self.ours / "efir-relay", "--settings", settings]
        return self.start("relay", command)

    def origin(self, publish: str) -> Program:
        """Starts our origin, which publishes the built-in clip as live/demo to a server."""
        settings = self.folder / "origin.toml"
        settings.write_text("listen = []\n")
        command = [self.ours / "efir-origin", "--settings", settings, "--publish", publish, "--insecure"]
        return self.start("origin", command)

    def watch(self, url: str) -> None:
        """Has our client watch a broadcast from now on."""
        command = [self.ours / "efir", "pull", url, "--draft", self.draft, "--insecure", "--json"]
        self.start("viewer", command).find(r'"frames":[1-9]')

    def pull(self, where: tuple[str, ...], frames: int, seconds: float) -> Path:
        """Has our client write a broadcast to a file."""
        file = self.folder / "pulled.mp4"
        command = [self.ours / "efir", "pull", *where, "--draft", self.draft, "--insecure", "--frames", frames, "-o", file]
        command += ["--no-reconnect", "--from", "live"]
        deadline = time.monotonic() + seconds
        while True:
            program = self.start("pull", command)
            try:
                program.wait(max(1.0, deadline - time.monotonic()))
                return file
            except Failed as failure:
                # The publisher may not be there yet.
                if time.monotonic() > deadline - 1:
                    raise Failed(f"{failure}: {last_line(program)}") from None
                time.sleep(0.3)

    def close(self) -> None:
        """Ends everything."""
        for program in self.programs:
            program.ask_to_end()
        for program in self.programs:
            program.end()


def last_line(program: Program) -> str:
    lines = [line for line in program.said().splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
