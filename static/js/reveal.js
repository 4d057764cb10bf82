"use strict";

// What was revealed is gone from the page once it is left: also where the browser keeps the page to
// come back to, and after a minute behind another tab.
function conceal() {
  for (const place of document.querySelectorAll("[data-revealed]")) {
    place.textContent = "****";
    place.removeAttribute("data-revealed");
  }
}

let later;
window.addEventListener("pagehide", conceal);
document.addEventListener("visibilitychange", () => {
  clearTimeout(later);
  if (document.hidden) later = setTimeout(conceal, 60000);
});
