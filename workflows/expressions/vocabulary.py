"""The names that an expression may use."""

from __future__ import annotations

# What an expression is about. `item` and `index` exist inside a scope and in expressions evaluated for each item.
VALUE_ROOTS = frozenset({"trigger", "input", "nodes", "vars", "item", "index", "execution", "workflow"})
FUNCTION_ROOTS = frozenset({"now", "secret"})
ROOTS = VALUE_ROOTS | FUNCTION_ROOTS

# Names of JavaScript itself that are of use and do no harm. What the engine has beyond these is not part of the language,
# and clocks, chance and ways to compile code are taken away (see realm.py).
BUILTINS = frozenset(
    {
        "Array",
        "BigInt",
        "Boolean",
        "Date",
        "JSON",
        "Map",
        "Math",
        "Number",
        "Object",
        "RegExp",
        "Set",
        "String",
        "Symbol",
    }
    | {"Error", "RangeError", "TypeError", "Infinity", "NaN", "undefined"}
    | {"isFinite", "isNaN", "parseFloat", "parseInt", "atob", "btoa"}
    | {"decodeURI", "decodeURIComponent", "encodeURI", "encodeURIComponent"}
)
