// One expression over many items. `progress` tells which item is under way, also when something is cut off.
(function (run, items, asText, progress, answer) {
  "use strict";
  const { parse } = JSON;
  const list = [];
  for (let i = 0; i < items.length; i++) {
    progress.index = i;
    const value = run(items[i], i);
    list[i] = asText ? parse(answer(value, true)).value : value;
  }
  Object.defineProperty(progress, "list", { value: list }); // Not enumerable: whoever asks for the index does not get it all.
  return answer(list, false);
})
