// secret('NAME') is a placeholder, filled in at the door to the outside. `mark` is null where that is not allowed.
(function (mark) {
  "use strict";
  const { assign, defineProperty } = Object;
  const { test } = RegExp.prototype;
  const wellFormed = /^[A-Za-z_][A-Za-z0-9_]*$/;
  const refuse = (refused, message) => {
    throw assign(new Error(message), { refused });
  };
  const secret = (name) => {
    if (mark === null) refuse("secret_not_allowed", "");
    if (typeof name !== "string" || !test.call(wellFormed, name))
      refuse("type_error", "secret() takes the name of one variable, such as secret('API_KEY').");
    return `⟦secret:${name}:${mark}⟧`;
  };
  defineProperty(globalThis, "secret", { value: secret });
})
