// How <efir-publisher> looks. A page sets the custom properties to make it look otherwise.

export const LOOK = `
:host {
  display: block;
  container-type: inline-size;
  color-scheme: light dark;
  --text: var(--efir-text, light-dark(#16202c, #e8edf3));
  --muted: var(--efir-muted, light-dark(#526071, #9dabbb));
  --surface: var(--efir-surface, light-dark(#fff, #151b23));
  --line: var(--efir-line, light-dark(#d5dce4, #303a46));
  --accent: var(--efir-accent, light-dark(#0b63c5, #6db3ff));
  --on-accent: var(--efir-on-accent, light-dark(#fff, #06192e));
  --bad: var(--efir-bad, light-dark(#b3261e, #ff9c94));
  --good: var(--efir-good, light-dark(#1a7a3c, #6fd694));
  color: var(--text);
  font: 15px/1.45 system-ui, sans-serif;
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
.all { display: grid; gap: 16px; }
@container (min-width: 760px) { .all { grid-template-columns: 3fr 2fr; } }
.stage { position: relative; aspect-ratio: 16 / 9; background: #000; border-radius: 10px; overflow: hidden; align-self: start; }
video { width: 100%; height: 100%; object-fit: contain; display: block; }
.empty { position: absolute; inset: 0; display: grid; place-content: center; padding: 16px; color: #aeb9c6; text-align: center; }
.badge { position: absolute; top: 10px; left: 10px; padding: 2px 10px; border-radius: 999px; background: #000a; color: #fff; font-size: 13px; }
.badge::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 6px; border-radius: 50%; background: #8a97a6; }
.badge[data-state="live"]::before { background: #ff5147; }
.badge[data-state="connecting"]::before { background: #f2b430; }
form { display: grid; gap: 12px; align-content: start; margin: 0; }
fieldset { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 12px; border: 0; margin: 0; padding: 0; min-width: 0; }
label { display: grid; gap: 4px; color: var(--muted); font-size: 13px; min-width: 0; }
label.wide { grid-column: 1 / -1; }
label.check { grid-auto-flow: column; justify-content: start; align-items: center; gap: 8px; align-self: end; min-height: 40px; color: var(--text); font-size: 15px; }
input, select, button { font: inherit; color: inherit; }
input:not([type="checkbox"]), select { width: 100%; min-height: 40px; padding: 6px 10px; border: 1px solid var(--line); border-radius: 8px; background: var(--surface); color: var(--text); }
input[type="checkbox"] { width: 18px; height: 18px; accent-color: var(--accent); }
button { min-height: 40px; padding: 6px 16px; border: 1px solid var(--line); border-radius: 8px; background: var(--surface); cursor: pointer; }
button.main { border-color: transparent; background: var(--accent); color: var(--on-accent); font-weight: 600; }
button:disabled, fieldset:disabled { opacity: 0.6; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.words { margin: 0; min-height: 1.45em; color: var(--muted); overflow-wrap: anywhere; }
.words[data-state="failed"] { color: var(--bad); }
.words[data-state="live"] { color: var(--good); }
.below { grid-column: 1 / -1; display: grid; gap: 12px; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); gap: 8px 16px; margin: 0; }
dl div { display: grid; }
dt { color: var(--muted); font-size: 13px; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
.share { display: grid; gap: 6px; }
.share div { display: flex; gap: 8px; align-items: center; min-width: 0; }
.share code, .share a { flex: 1; min-width: 0; overflow-x: auto; white-space: nowrap; padding: 8px 10px; border: 1px solid var(--line); border-radius: 8px; background: var(--surface); font: 13px/1.4 ui-monospace, monospace; }
.share a { color: var(--accent); }
`;
