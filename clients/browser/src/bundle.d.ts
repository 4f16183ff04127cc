// `import code from "./worker.ts?bundle"`: the bundled script of that file, as text (see build.mjs).
declare module "*?bundle" {
  const code: string;
  export default code;
}
