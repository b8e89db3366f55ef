// There are no locales: whichever is asked for, QuickJS writes dates as in the United States and numbers without groups.
(function () {
  "use strict";
  const { assign } = Object;
  const refuse = (owner, name, instead) => {
    owner.prototype[name] = () => {
      throw assign(new Error(`${name}() is not available: there are no locales. ${instead}`), { refused: "threw" });
    };
  };
  const dates = "The operation `format_date` of `transform` writes dates by a pattern.";
  if (Date) for (const name of ["toLocaleString", "toLocaleDateString", "toLocaleTimeString"]) refuse(Date, name, dates);
  refuse(Number, "toLocaleString", "`toFixed` writes numbers.");
})();
