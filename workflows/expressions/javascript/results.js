// Turns what is no text, number or boolean into an answer, and refuses what is no JSON.
(function (value, asText, progress) {
  "use strict";
  const { parse, rawJSON, stringify } = JSON;
  const { assign, getPrototypeOf, prototype: plain } = Object;
  const { asIntN, asUintN } = BigInt;
  const { isFinite, isInteger, isSafeInteger } = Number;
  const refuse = (refused, message) => {
    throw assign(new Error(message), { refused });
  };
  const kindOf = (value) => {
    const { constructor } = value;
    return typeof constructor === "function" && constructor.name ? `a ${constructor.name}` : "an object of a class";
  };

  // JSON.stringify calls this for every value, after toJSON, with the holder as `this`.
  function strict(key, value) {
    const isItem = progress !== null && this === progress.list;
    if (isItem) progress.index = Number(key);
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        if (!isFinite(value)) refuse("result_type", `${value}`);
        // Written as 1e+20, a large number stays one. Written as an integer, it would come back as BigInt.
        return isInteger(value) && !isSafeInteger(value) ? rawJSON(value.toExponential()) : value;
      case "object": {
        if (value === null || Array.isArray(value)) return value;
        const prototype = getPrototypeOf(value);
        return prototype === plain || prototype === null ? value : refuse("result_type", kindOf(value));
      }
      case "bigint":
        if (asIntN(64, value) !== value && asUintN(64, value) !== value) refuse("result_type", "an integer of more than 64 bits");
        return rawJSON(`${value}`);
      case "undefined":
        return refuse("missing_value", isItem ? "" : key);
      default:
        return refuse("result_type", `a ${typeof value}`);
    }
  }

  if (value === undefined) refuse("missing_value", "");
  if (!asText) return stringify({ value }, strict);
  if (value === null) refuse("missing_value", "null");
  const json = stringify(value, strict);
  if (typeof value === "number") return stringify({ value: `${value}` });
  const text = parse(json);
  return stringify({ value: typeof text === "string" ? text : json }); // A Date becomes its ISO text, without quotes.
})
