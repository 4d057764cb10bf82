"use strict";

// Draw every <canvas data-chart="id"> from the JSON in <script id="id">, in the page's colours.
(() => {
  const drawn = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const writers = (canvas, unit) => {
    const language = document.documentElement.lang || "en";
    const currency = canvas.dataset.currency;
    if (unit !== "money" || !currency) {
      const plain = new Intl.NumberFormat(language);
      const short = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
      return { full: (value) => plain.format(value), short: (value) => short.format(value) };
    }
    const full = new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "narrowSymbol" });
    const short = new Intl.NumberFormat(language, {
      style: "currency", currency, currencyDisplay: "narrowSymbol", notation: "compact", maximumFractionDigits: 1,
    });
    const minor = 10 ** full.resolvedOptions().maximumFractionDigits;
    return { full: (value) => full.format(value / minor), short: (value) => short.format(value / minor) };
  };

  const options = (kind, write, isNarrow) => {
    const text = colour("--s-muted");
    const line = colour("--s-line");
    return {
      responsive: true,
      maintainAspectRatio: false,
      animation: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${write.full(item.raw)}` } },
      },
      scales: {
        x: {
          grid: { display: false },
          border: { color: line },
          ticks: { color: text, maxRotation: isNarrow ? 60 : 0, autoSkip: kind === "line", autoSkipPadding: 24 },
        },
        y: {
          beginAtZero: true,
          grid: { color: line },
          border: { display: false },
          ticks: { color: text, maxTicksLimit: 6, callback: (value) => write.short(value) },
        },
      },
    };
  };

  // Break a long name into lines at its blanks.
  const lines = (label) => {
    const found = [];
    for (const word of label.split(" ")) {
      const last = found[found.length - 1];
      if (last !== undefined && `${last} ${word}`.length <= 12) found[found.length - 1] = `${last} ${word}`;
      else found.push(word);
    }
    return found;
  };

  const labels = (data, isNarrow) => {
    if (data.kind !== "line") {
      return isNarrow ? data.labels : data.labels.map(lines);
    }
    const day = new Intl.DateTimeFormat(document.documentElement.lang || "en", {
      month: "short", day: "numeric", timeZone: "UTC",
    });
    return data.labels.map((label) => day.format(new Date(`${label}T00:00:00Z`)));
  };

  const draw = (canvas) => {
    const source = document.getElementById(canvas.dataset.chart);
    if (!source || typeof Chart === "undefined") return;
    const data = JSON.parse(source.textContent);
    const isNarrow = data.kind === "bar" && canvas.parentElement.clientWidth / data.labels.length < 90;
    const accent = colour("--s-accent");
    drawn.get(canvas)?.destroy();
    drawn.set(canvas, new Chart(canvas, {
      type: data.kind,
      data: {
        labels: labels(data, isNarrow),
        datasets: data.series.map((series) => ({
          label: series.name,
          data: series.values,
          borderColor: accent,
          backgroundColor: data.kind === "bar" ? accent : "transparent",
          borderWidth: data.kind === "bar" ? 0 : 2,
          borderRadius: 3,
          maxBarThickness: 56,
          pointRadius: 0,
          pointHitRadius: 12,
          tension: 0.25,
        })),
      },
      options: options(data.kind, writers(canvas, data.unit), isNarrow),
    }));
  };

  const drawAll = (root) => root.querySelectorAll("canvas[data-chart]").forEach(draw);

  const redrawAll = () => {
    for (const canvas of [...drawn.keys()]) {
      if (canvas.isConnected) draw(canvas);
      else drawn.delete(canvas);
    }
  };

  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:afterSettle", () => {
    document.querySelectorAll("canvas[data-chart]").forEach((canvas) => drawn.has(canvas) || draw(canvas));
  });
  // The theme is a class of the root element.
  new MutationObserver(redrawAll).observe(document.documentElement, {
    attributes: true, attributeFilter: ["class"],
  });

  // A session that ended answers with the login page: show it whole, not inside a panel.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (new URL(event.detail.xhr.responseURL).pathname.startsWith("/accounts/")) {
      event.detail.shouldSwap = false;
      window.location.reload();
    }
  });

  // A panel that fails says so in its own place.
  const failed = (event) => {
    const words = event.target.querySelector?.("[data-failed]");
    if (words) words.textContent = words.dataset.failed;
  };
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:sendError", failed);
})();
