// How large the picture is on screen, and whether anybody can see it.

export interface SightEvents {
  /** Device pixels. */
  size(width: number, height: number): void;
  visible(isVisible: boolean): void;
}

/** Players less than one screen away count as visible, so that scrolling to them shows a picture at once. */
const MARGIN = "100%";

export class Sight {
  readonly #events: SightEvents;
  readonly #resize: ResizeObserver;
  readonly #intersection: IntersectionObserver;
  readonly #look = (): void => this.#tell();
  #isNear = true;
  #isElsewhere = false;
  #isVisible: boolean | undefined;

  constructor(element: Element, events: SightEvents) {
    this.#events = events;
    this.#resize = new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {};
      events.size(Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio));
    });
    this.#intersection = new IntersectionObserver((entries) => {
      this.#isNear = entries.at(-1)?.isIntersecting ?? true;
      this.#tell();
    }, { rootMargin: MARGIN });
    this.#resize.observe(element);
    this.#intersection.observe(element);
    document.addEventListener("visibilitychange", this.#look);
    this.#tell();
  }

  /** Something else shows the picture (picture-in-picture): a hidden page counts as seen. */
  setElsewhere(isElsewhere: boolean): void {
    this.#isElsewhere = isElsewhere;
    this.#tell();
  }

  close(): void {
    this.#resize.disconnect();
    this.#intersection.disconnect();
    document.removeEventListener("visibilitychange", this.#look);
  }

  #tell(): void {
    const isVisible = this.#isElsewhere || (this.#isNear && document.visibilityState === "visible");
    if (isVisible === this.#isVisible) return;
    this.#isVisible = isVisible;
    this.#events.visible(isVisible);
  }
}
