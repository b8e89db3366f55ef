// Evaluated in every fresh context; its value is this function. Compiling costs about 40 microseconds per kilobyte and
// nothing can be kept from one context to the next: so this file is short, and what is not always needed is handed over
// as text (other files of this folder) and compiled when it is.
(function (roots, items, progress, results, errors, each, isScript) {
  "use strict";
  const compile = eval; // By another name, eval works in the global scope and sees nothing of this file.
  const { stringify } = JSON;
  const { MAX_SAFE_INTEGER: most, MIN_SAFE_INTEGER: least } = Number;
  const { defineProperty, freeze, getPrototypeOf, setPrototypeOf, values } = Object;

  const deepFreeze = (value) => {
    if (typeof value !== "object" || value === null) return;
    const parts = values(freeze(value));
    for (let i = 0; i < parts.length; i++) if (typeof parts[i] === "object") deepFreeze(parts[i]);
  };
  for (const name in roots) {
    const value = roots[name];
    if (name === "nodes" || name === "vars" || name === "scopes") setPrototypeOf(value, null); // A node may be called `constructor`.
    if (!isScript || name !== "items") deepFreeze(value); // A script may work on its items in place: nobody sees them after it.
    defineProperty(globalThis, name, { value });
  }
  if (!isScript) deepFreeze(items);
  delete globalThis.eval;
  // The ways from any function to the compiler: each kind has its own.
  for (const made of [compile, function* () {}, async () => {}, async function* () {}]) delete getPrototypeOf(made).constructor;
  defineProperty(Error, "prepareStackTrace", { value: null }); // It would be handed the functions of this file.

  let toResult;
  const answer = (value, asText) =>
    typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && value >= least && value <= most)
      ? stringify({ value: asText ? `${value}` : value })
      : (toResult ??= compile(results))(value, asText, progress);

  return (source, asText) => {
    let run;
    try {
      run = compile(`(function(${each ? "item,index" : ""}){"use strict";return(\n${source}\n)})`);
      return each ? compile(each)(run, items, asText, progress, answer) : answer(run(), asText);
    } catch (error) {
      return stringify({ error: compile(errors)(error, run, progress) });
    }
  };
})
