// For several expressions in one context: none of them can leave anything behind for the next.
(function () {
  "use strict";
  const { freeze, getPrototypeOf, preventExtensions } = Object;
  for (const builtin of [Object, Array, String, Number, Boolean, Symbol, BigInt, RegExp, Map, Set, Error, Promise]) {
    freeze(builtin);
    freeze(builtin.prototype);
  }
  const nameless = [() => {}, function* () {}, async () => {}, async function* () {}, [].values(), "".matchAll(/a/g)];
  for (const made of nameless) freeze(getPrototypeOf(made));
  freeze(JSON);
  if (Math) freeze(Math);
  preventExtensions(globalThis);
})();
