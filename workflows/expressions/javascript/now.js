// now() answers with the recorded time. Its value is a function that is called with it.
(function (now) {
  "use strict";
  Object.defineProperty(globalThis, "now", { value: () => now });
})
