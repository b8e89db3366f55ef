"""The names that an expression may use."""

from __future__ import annotations

# What a pass of a scope is about, in the nodes that it runs. A list's items have the first two as well.
PASS_ROOTS = frozenset({"item", "index", "accumulator"})
ITEM_ROOTS = frozenset({"item", "index"})
# What a script works on that runs once for all items.
SCRIPT_ROOTS = frozenset({"items"})

# What an expression is about. `scopes` holds the roots of the passes of all scopes around, by the scopes' ids.
# `links` holds the one-time URLs of nodes that will wait.
VALUE_ROOTS = (
    frozenset({"trigger", "input", "nodes", "vars", "scopes", "execution", "workflow", "links"})
    | PASS_ROOTS
    | SCRIPT_ROOTS
)
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
