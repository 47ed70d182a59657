// A note calls colleagues: behind an @ their names are offered.

import { all, find } from "./dom.js";
import { suggesting } from "./suggesting.js";

const fold = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();

// What stands behind the last @ before the caret, with it; null where nobody is being called.
const called = (box) => box.value.slice(0, box.selectionStart).match(/(?:^|\s)(@[^@\n]{0,40})$/)?.[1] ?? null;

suggesting("#new-note", {
  asked: called,
  here: (name) =>
    all("li", find("#colleagues").content)
      .filter((one) => ` ${fold(one.textContent)}`.includes(` ${fold(name.slice(1))}`))
      .map((one) => one.cloneNode(true)),
  first: () => true,
  take(box, { textContent }) {
    const end = box.selectionStart;
    box.setRangeText(`${textContent} `, end - called(box).length + 1, end, "end");
  },
});
