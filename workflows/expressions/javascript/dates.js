// A Date that can read and write times but does not know what time it is.
(function () {
  "use strict";
  const RealDate = Date;
  const { assign, preventExtensions } = Object;
  const { construct } = Reflect;
  const { toISOString } = RealDate.prototype;
  const noClock = (what) => () => {
    const message = `${what} is not available. Use now(), the recorded time of this run, as in new Date(now()).`;
    throw assign(new Error(message), { refused: "threw" });
  };

  const ClocklessDate = new Proxy(RealDate, {
    apply: noClock("Date()"),
    construct(target, parameters, newTarget) {
      if (parameters.length === 0) noClock("new Date() without a time")();
      return construct(target, parameters, newTarget);
    },
  });
  RealDate.now = noClock("Date.now()");
  RealDate.prototype.constructor = ClocklessDate;
  // The original turns a time that could not be read into null, without a word.
  RealDate.prototype.toJSON = function toJSON() {
    return toISOString.call(this);
  };
  preventExtensions(RealDate);
  preventExtensions(RealDate.prototype);
  globalThis.Date = ClocklessDate;
})();
