// Light or dark: what the reader chose, else what the computer says. Runs before the first paint.

(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const asked = new URLSearchParams(location.search).get("theme");
  const chosen = () => asked ?? localStorage.getItem("redbar-theme");
  const apply = () => {
    document.documentElement.dataset.theme = chosen() ?? (dark.matches ? "dark" : "light");
  };
  dark.addEventListener("change", apply);
  window.flipTheme = () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("redbar-theme", next);
    document.documentElement.dataset.theme = next;
  };
  apply();
})();
