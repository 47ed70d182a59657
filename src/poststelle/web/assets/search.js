// The search box completes operators, their values, folders and people.

import { suggesting } from "./suggesting.js";

suggesting("#search", {
  asked: (box) => (/\S$/.test(box.value) ? `${box.dataset.complete}?${new URLSearchParams({ q: box.value })}` : null),
  take(box, item) {
    const { whole } = item.dataset;
    const goesOn = whole.endsWith(":");
    box.value = goesOn ? whole : `${whole} `;
    return goesOn;
  },
});
