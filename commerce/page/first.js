// Before the first paint, so that the page does not flash in the other colours. A file of its own: the page's policy takes no inline scripts.
try {
  const theme = localStorage.getItem("efir-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused: the system's colours.
}
