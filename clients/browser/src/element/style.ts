// The player's look. Pages change it by the variables on :host and by ::part().

export const STYLE = `
:host{display:flex;flex-direction:column;position:relative;overflow:hidden;color:var(--efir-text,#1b1d21);
background:var(--efir-background,transparent);font:var(--efir-font,14px/1.4 system-ui,sans-serif);text-align:start}
:host([hidden]){display:none}
*{box-sizing:border-box}
.frame{position:relative;flex:1 1 auto;min-height:0;aspect-ratio:16/9;background:#0b0c0e;color:#f4f5f7;overflow:hidden;
outline:none;user-select:none;-webkit-user-select:none;container-type:inline-size}
canvas{display:block;position:absolute;inset:0;width:100%;height:100%;object-fit:contain}
`;
