"""docs/reference/transform.md, made of what the operations say of themselves.

``python -m tests.docs.transform_page`` writes it; a test finds it out of date.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from tests.docs.pages import ROOT
from workflows.nodes.transform.node import Step
from workflows.nodes.transform.operation import Operation

PAGE = ROOT / "docs" / "reference" / "transform.md"
OPERATIONS: tuple[type[Operation], ...] = get_args(get_args(Step)[0])

# Which operations belong together, and what holds for all of them.
GROUPS = {
    "Fields": (["set", "rename", "remove", "keep", "flatten"], ""),
    "Lists": (
        ["map", "filter", "sort", "limit", "unique", "aggregate", "split_out", "chunk", "merge", "name_columns"],
        "`aggregate` groups: with `of: list` the values of a group become a list. `merge` joins as SQL does: `keep: all` is a full "
        "outer join, `matched` an inner one, `first` a left and `second` a right one; a key that is null or missing matches nothing. "
        "Of today's list, merged with yesterday's, `only_first` is what is new, and `only_second` what is gone.",
    ),
    "Script": (
        ["script"],
        """The code is the body of a JavaScript function: statements, and `return`. It sees what every expression of the node does (`input`,
`trigger`, `nodes.<id>.output`, `vars`, `execution`, `workflow`, `now()`, in a scope `scopes.<id>`), and `items`, which are its own and may be changed in place; with
`for_each`, `item` and `index` instead. What it returns must be JSON: a list becomes the items. There is no clock but `now()`, no chance, no network, no module, no `await`. It
runs in a process of its own with limits: 64 KiB of code, 5 s of processor time (all items together), 128 MiB of memory, 5 MiB of input and of output, 128 levels. Braces in it are its own: it is no
template. A node with a script runs beside others, not in the web process. What fails names its line and column: `details` has `line`, `column` and, with `for_each`, the item stands in the message.""",
    ),
    "Failing on purpose": (
        ["fail"],
        "The message stands in the error as it is written, and so in what an error workflow or the port `error` is given. It is not tried again, unless "
        "`retry.on` names its code.",
    ),
    "Text": (
        ["change_text", "split_text", "join_text", "replace_text", "extract_text", "encode", "decode"],
        "Regular expressions are RE2's: they take linear time whatever the text, and have no look-around and no back references.",
    ),
    "Dates and times": (
        ["parse_date", "format_date", "add_time", "time_between", "start_of", "convert_zone"],
        """Moments are ISO 8601 text and come out as such, with the offset that the clocks of `timezone` (left out, the workflow's) have then; `Z` in UTC. A moment that comes without an offset
is what these clocks show. In spring they skip times: `skipped: shift` reads 02:30 as 03:30, `fail` refuses it. In autumn they show times twice: `repeated` takes the `first`, the `last`, or refuses
(`fail`). Years, months, weeks and days are added on the calendar, so that 12:00 stays 12:00 over a change of the clocks, and the 31st becomes the last day of a shorter month; hours, minutes and
seconds are true time.

Patterns have these letters, other text stands in `'…'`: `yyyy` `yy` year, `MMMM` `MMM` `MM` `M` month, `dd` `d` day, `EEEE` `EEE` `E` (1 to 7) day of the week, `HH` `H` hour, `hh` `h` with `a` (AM, PM),
`mm` `m` minute, `ss` `s` second, `SSS` milliseconds, `SSSSSS` microseconds, `ZZ` offset (+01:00), `ZZZ` (+0100); only to write: `z` zone, `kkkk` `WW` ISO year and week, `ooo` day of the year, `q`
quarter. Names are English.""",
    ),
    "JSON, CSV, Excel, XML, HTML, PDF, Markdown": (
        [
            "parse_json",
            "build_json",
            "parse_csv",
            "build_csv",
            "parse_excel",
            "build_excel",
            "parse_xml",
            "build_xml",
            "extract_html",
            "build_markdown",
            "build_html",
            "extract_pdf",
            "check_schema",
        ],
        """Uploads and downloads that are no text come as base64: `encoded: base64`. CSV and Excel: at most 10,000 rows, 500,000 cells, 1,000 columns.

`parse_excel` reads `.xlsx`, `.xlsm` (without its macros), `.xlsb`, `.xls` and `.ods`, up to 20 MiB, in a process of its own that a hostile file cannot get out of; files with a password are refused. Numbers are numbers,
also those of years that name columns; what is shown as a date comes as `2026-11-26`, `2026-11-26T14:30:00`, `14:30:00` or, where hours go on counting, `PT36H`. A formula is the value that it had when the file was saved, and
null if the program that wrote the file computed none; errors such as `#N/A` are null. Empty cells are null, empty rows are left out; of merged cells the first has the value.

`build_excel` writes `.xlsx` without formulas: text stays text, whatever it begins with; a whole number of more than 15 digits becomes text, because Excel would round it. Take a file from where it is: `field: base64` of an
upload, `body` of `http.request` or of `storage.read`; and give it on as `base64` to `storage.write`, to an attachment of `email.send`, to `http.request`,
or to `output` with `encoded: base64` for download, as `application/vnd.openxmlformats-officedocument.spreadsheetml.sheet`.

XML: at most 5 MiB, 100,000 elements, 60 levels; a document with a
DOCTYPE is refused, and with it every entity but the five of XML itself. An element is an object: attributes are `@name`, text is `#text`, elements within go by their names, several of one name are a list; an element
with only text is that text, an empty one `""`. Space between elements, comments and the order of elements of different names are not kept.

HTML: a page has at most 5 MiB; it is read as browsers do, whatever is wrong with it, and nothing in it runs. Elements that browsers add are there: of a table without `tbody`, `table tr` and `table > tbody > tr` find the rows, `table > tr` does not. Selectors are CSS's: `#id`, `.class`, `[attribute^=…]`, `a b`, `a > b`, `a + b`, `a ~ b`,
`:nth-child(2n+1)` and its like, `:not()`, `:is()`, `:has()`, `:empty`, `:root`; none of states (`:hover`). Text is that which is seen: without scripts, on one line.

`build_markdown` keeps headings, lists, tables, links, pictures and code of a page, and leaves out scripts and styles; take the part that counts with `extract_html` first (`selector: main`, `get: html`). `build_html` reads
[CommonMark](https://spec.commonmark.org/) with tables and ~~strikethrough~~ as GitHub has them. HTML in the text stays text, and links and pictures never run a script, so that what a model or a stranger wrote can go into an e-mail. They lead
wherever the text says: a mail program that loads pictures tells that place who reads, and whatever a model was talked into writing into the address.

`extract_pdf` reads files of up to 20 MiB in a process of their own. A file with a password is refused. Words that are divided at the end of a line are whole again; columns and tables come in the order in which the file has them. What is filled into a form is no text of the page. Scans have none: a
model that sees pictures can read them.""",
    ),
    "Hashes": (
        ["hash"],
        "With a `key` it is an HMAC. The key may be a secret, the only place of a `transform` for one: it is filled in when the hash is computed, and is recorded nowhere.",
    ),
}
INTRODUCTION = """# Operations of `transform`

What the steps of a [`transform`](definition.md#transform) can do. A step works on **items**: a list's items, at most 10,000; any other value is one item and comes out as one. Fields are found by
paths: `customer.name`, or as a JSON Pointer (`/customer/name`) where a key has a dot. *Per item* means that expressions see `item` and `index`;
`count` and `skip` of `limit`, `size`, `sheet`, `delimiter` and `timezone` may be expressions that are evaluated once.

Operations with `field` and `into` make one value of another: they read `field` of each item (left out, the item itself) and put the result `into` another field (left out, in place of the value). Where the value is
missing or null they fail, unless `if_missing` is `skip`. A single value that becomes a list becomes the items of the next step.

This page is made of what the operations say of themselves, and its examples are run by a test.
"""
# The fields that are explained above, once for all.
COMMON = {"operation", "field", "into", "if_missing", "timezone", "skipped", "repeated"}
PER_ITEM = {("set", "fields"), ("map", "to"), ("filter", "where"), ("add_time", "duration"), ("time_between", "until")}


def page() -> str:
    """Return the whole page."""
    by_name = {operation.name(): operation for operation in OPERATIONS}
    parts = [INTRODUCTION]
    for title, (names, prose) in GROUPS.items():
        parts.append(f"## {title}\n" + (f"\n{prose}\n" if prose else ""))
        parts += [_section(by_name.pop(name)) for name in names]
    assert not by_name, f"These have no place on the page: {', '.join(by_name)}."
    return "\n".join(parts)


def _section(operation: type[Operation]) -> str:
    name, example = operation.name(), operation.example
    description = (operation.__doc__ or "").splitlines()[0]
    schema = operation.model_json_schema()
    fields = [(key, field) for key, field in schema["properties"].items() if key not in COMMON]
    rows = [_row(name, key, field, key in schema.get("required", ())) for key, field in fields]
    common = [
        key for key in ("field", "into", "if_missing", "timezone", "skipped", "repeated") if key in schema["properties"]
    ]
    shown = f"\nAlso {', '.join(f'`{key}`' for key in common)}.\n" if common else ""
    table = "\n| setting | | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n" if rows else ""
    case = {"value": example.value, "steps": [{"operation": name, **example.settings}]}
    return (
        f"### `{name}`\n\n{description}\n{table}{shown}\n"
        f"```json\n{_pretty(case)}\n```\n\ngives\n\n```json\n{_pretty(example.output)}\n```\n"
    )


def _row(operation: str, key: str, field: dict[str, Any], is_required: bool) -> str:
    default = (
        "required"
        if is_required
        else f"`{json.dumps(field['default'], ensure_ascii=False)}`"
        if field.get("default") is not None
        else ""
    )
    choices = field.get("enum") or next((part["enum"] for part in field.get("anyOf", []) if "enum" in part), [])
    words = f" {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""
    per_item = " *Per item.*" if (operation, key) in PER_ITEM else ""
    description = field["description"].removesuffix(" Per item.").replace("|", "\\|")
    return f"| `{key}` | {default} | {description}{words}{per_item} |"


def _short(value: Any) -> Any:
    """Return a value with files in it shortened: nobody reads base64."""
    match value:
        case str() if len(value) > 1000:
            return f"{value[:12]}…"
        case dict():
            return {key: _short(part) for key, part in value.items()}
        case list():
            return [_short(part) for part in value]
    return value


def _pretty(value: Any) -> str:
    value = _short(value)
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= 110 or not isinstance(value, dict | list):
        return line
    inner = [json.dumps(part, ensure_ascii=False) for part in (value if isinstance(value, list) else value.values())]
    names = [""] * len(inner) if isinstance(value, list) else [f"{json.dumps(key)}: " for key in value]
    opening, closing = ("[", "]") if isinstance(value, list) else ("{", "}")
    return (
        f"{opening}\n" + ",\n".join(f"  {name}{part}" for name, part in zip(names, inner, strict=True)) + f"\n{closing}"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
