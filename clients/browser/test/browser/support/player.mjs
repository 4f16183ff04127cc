// Puts players on a page and waits for what they do.

/** Adds a player to an embedding page; resolves with a handle on it. `server.host` is localhost unless it says otherwise. */
export async function addPlayer(page, server, attributes = {}) {
  const all = {
    src: `https://${server.host ?? "localhost"}:${server.udp}/live/demo`,
    http: `http://localhost:${server.http}`,
    autoplay: "",
    muted: "",
    ...attributes,
  };
  const index = await page.evaluate((all) => {
    window.players ??= [];
    const player = document.createElement("efir-player");
    player.style.cssText = "display:inline-block;width:640px;height:360px";
    const log = { states: [], sources: [], errors: [], renditions: [], stats: undefined };
    player.addEventListener("statechange", (event) => log.states.push({ at: performance.now(), ...event.detail }));
    player.addEventListener("sourcechange", (event) => log.sources.push({ at: performance.now(), ...event.detail }));
    player.addEventListener("error", (event) => log.errors.push({ ...event.detail }));
    player.addEventListener("renditionchange", (event) => log.renditions.push({ at: performance.now(), ...event.detail }));
    player.addEventListener("stats", (event) => (log.stats = event.detail));
    for (const [name, value] of Object.entries(all)) if (value !== undefined) player.setAttribute(name, value);
    const started = performance.now();
    document.body.append(player);
    return window.players.push({ player, log, started, watch: window.watchBarcode(player) }) - 1;
  }, all);
  return new Player(page, index);
}

export class Player {
  constructor(page, index) {
    this.page = page;
    this.index = index;
  }

  /** What was noted: states, sources, errors, renditions, the newest stats. */
  log() {
    return this.page.evaluate((index) => window.players[index].log, this.index);
  }

  /** The barcodes shown since the last call, in order, with their times. */
  async shown() {
    return this.page.evaluate((index) => window.players[index].watch.seen.splice(0), this.index);
  }

  unreadable() {
    return this.page.evaluate((index) => window.players[index].watch.unreadable, this.index);
  }

  /** Waits until so many further barcodes were shown and gives them. */
  async show(frames, patience = 30_000) {
    await this.page.waitForFunction(
      ({ index, frames }) => window.players[index].watch.seen.length >= frames,
      { index: this.index, frames },
      { timeout: patience, polling: 50 },
    ).catch(async (error) => {
      const [log, seen] = await Promise.all([this.log(), this.shown()]);
      throw new Error(`shown ${seen.length} of ${frames} frames; ${JSON.stringify(log)}`, { cause: error });
    });
    return this.shown();
  }

  /** Waits until the log satisfies `test`, a function of the log and `argument` that runs in the page. */
  async until(test, argument, patience = 20_000) {
    await this.page.waitForFunction(
      ({ index, test, argument }) => new Function(`return (${test})`)()(window.players[index].log, argument),
      { index: this.index, test: test.toString(), argument },
      { timeout: patience, polling: 50 },
    ).catch(async (error) => {
      throw new Error(`never: ${test}; ${JSON.stringify(await this.log())}`, { cause: error });
    });
    return this.log();
  }

  /** Runs `action(player, argument)` in the page. */
  act(action, argument) {
    return this.page.evaluate(
      ({ index, action, argument }) => new Function(`return (${action})`)()(window.players[index].player, argument),
      { index: this.index, action: action.toString(), argument },
    );
  }

  remove() {
    return this.page.evaluate((index) => {
      window.players[index].watch.stop = true;
      window.players[index].player.remove();
    }, this.index);
  }
}
