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

# Names that people know from elsewhere, n8n above all, and what there is instead.
_NO_WAY_OUT = "Nothing leads out of an expression or a script: let a `tool` before it fetch what it needs."
_NO_TIMER = "A `delay` waits."
_NO_CONSOLE = "What should be seen belongs into the result: each node run keeps its own."
INSTEAD = {
    "$json": "It is `item`, or `input` for what comes to the node.",
    "$input": "It is `items` in a script, or `input` for what comes to the node.",
    "$items": "It is `items`.",
    "$itemIndex": "It is `index`.",
    "$node": "Outputs of other nodes are `nodes.order.output`.",
    "$": "Outputs of other nodes are `nodes.order.output`.",
    "$env": "It is `vars`.",
    "$now": "It is `now()`, a text; `new Date(now())` calculates.",
    "$today": "It is `now()`, a text; `now().slice(0, 10)` is its day.",
    "DateTime": "It is `now()`, a text; `new Date(now())` calculates, and `transform` has operations for dates.",
    "$binary": "Files are in the storage: `storage.read`.",
    "console": _NO_CONSOLE,
    "process": _NO_WAY_OUT,
    "require": _NO_WAY_OUT,
    "fetch": _NO_WAY_OUT,
    "$http": _NO_WAY_OUT,
    "axios": _NO_WAY_OUT,
    "setTimeout": _NO_TIMER,
    "setInterval": _NO_TIMER,
    "Buffer": "`btoa` and `atob` are there, and the operations `encode` and `decode` of `transform`.",
    "crypto": "The operation `hash` of `transform` computes hashes and HMACs; `execution.id` is a UUID.",
    "URL": "`encodeURIComponent` is there, `query` of `http.request` writes queries, and `extract_text` of `transform` takes addresses apart.",
    "URLSearchParams": "`encodeURIComponent` is there, and `query` and `form` of `http.request` write such texts.",
    "$jmespath": "JavaScript does it: `input.orders.map(order => order.id)`.",
    "structuredClone": "`JSON.parse(JSON.stringify(value))` copies.",
    "Intl": "There are no locales: `toFixed` and the operation `format_date` of `transform` write numbers and dates.",
}

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
