"use strict";

// Without this script the browser's own menu prints: the button shows only where it works.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
