// Math without chance.
(function () {
  "use strict";
  const { assign } = Object;
  Math.random = () => {
    throw assign(new Error("Math.random() is not available: an expression always gives the same answer."), { refused: "threw" });
  };
})();
