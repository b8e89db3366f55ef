// Describes whatever was thrown. An expression can throw anything, also things that fight back when looked at.
(function (error, run, progress) {
  "use strict";
  const index = progress === null ? null : progress.index;
  const short = (value) => `${value}`.slice(0, 500);
  try {
    // What QuickJS throws when it has no memory left even for an error. Few people throw null themselves.
    if (error === null || typeof error === "unknown") return { code: "threw", name: "null, or needs too much memory", message: "", index };
    if (typeof error !== "object") return { code: "threw", name: typeof error, message: short(error), index };
    if (typeof error.name !== "string") return { code: "threw", name: "an object that is no Error", message: "", index };
    const name = short(error.name);
    const message = short(error.message);
    if (error.refused) return { code: short(error.refused), name: "", message, index }; // One of our own files threw it.
    const isOfLimits = message === "Maximum call stack size exceeded" || message === "out of memory";
    if (name === "InternalError" || isOfLimits) return { code: "memory_limit", name, message, index };
    const [, line = null, column = null] = /:(\d+):(\d+)/.exec(error.stack) ?? [];
    return { code: run ? "threw" : "syntax", name, message, line: line && line - 1, column: column && +column, index };
  } catch {
    return { code: "threw", name: "", message: "something that cannot be shown", index };
  }
})
