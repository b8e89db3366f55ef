// JSON.parse that keeps long integers exact: those that a JavaScript number would round (ids above 2^53) become BigInt.
(function (text) {
  "use strict";
  return JSON.parse(text, (key, value, context) =>
    typeof value !== "number" || Number.isSafeInteger(value) || !/^-?\d+$/.test(context.source) ? value : BigInt(context.source),
  );
})
