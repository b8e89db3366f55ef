"""Expressions that mean harm. Each ends in an error, the parent lives, and the next evaluation works."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clock import NOON
from tests.workflows.expressions.evaluating import error_of, value_of
from workflows.expressions import Expression, InProcessSandbox, Limits, Sandbox

LARGE = Limits(source_bytes=64 * 1024, cpu_seconds=0.1, batch_cpu_seconds=0.5)


@pytest.fixture(scope="module")
def target() -> Iterator[Sandbox]:
    """A sandbox that takes the largest sources, and loses patience early."""
    sandbox = Sandbox(LARGE)
    yield sandbox
    sandbox.close()


def assert_unharmed(sandbox: Sandbox) -> None:
    assert value_of(sandbox, "[1, 2].map(x => x * input)", input=2) == [2, 4]


# Ways to a function, and from there to whatever made it, and from there to whatever it can reach.
FUNCTIONS = [
    "(() => 1)",
    "(function () {})",
    "(async () => 1)",
    "(function* () {})",
    "(async function* () {})",
    "(class {})",
    "({m() {}}).m",
    "[].map",
    "''.sub",
    "isNaN",
    "Object",
    "/x/.exec",
    "(() => 1).bind()",
    "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get",
    "now",
]
WAYS_TO_THE_MAKER = [
    "{f}.constructor",
    "{f}['constructor']",
    "{f}[`constructor`]",
    "{f}['con' + 'structor']",
    "{f}[`constr${{'uctor'}}`]",
    "{f}[['constructor']]",
    "{f}?.constructor",
    "{f}.__proto__.constructor",
    "Object.getPrototypeOf({f}).constructor",
    "Reflect.get({f}, 'constructor')",
    "(({{constructor}}) => constructor)({f})",
    "(({{['con' + 'structor']: made}}) => made)({f})",
    "Object.entries({{...Object.getOwnPropertyDescriptors(Object.getPrototypeOf({f}))}}).find(([k]) => k === 'constructor')[1].value",
]
BODIES = [
    "return process",
    "return this.constructor.constructor('return process')().mainModule.require('child_process').execSync('id').toString()",
    "return (0, eval)('globalThis').process.env",
]
CHAINS = [
    f"{way.format(f=function)}({body!r})()"
    for function, way, body in itertools.product(FUNCTIONS, WAYS_TO_THE_MAKER, BODIES)
]

# The shapes of published escapes from n8n's expressions (and of vm2, which they resemble).
PUBLISHED = {
    "CVE-2025-68613": "(function () { return this.process.mainModule.require('child_process').execSync('id').toString() })()",
    "CVE-2025-68613 template literal": "(() => { const c = {}[`constr${''}uctor`]; return c[`constructor`]('return process')() })()",
    "CVE-2025-68613 sloppy this": "(function () { return (function () { return this })() })().process.env",
    "CVE-2026-1470 with": "(function () { var constructor = 'x'; with (function () {}) { return constructor('return process')() } })()",
    "CVE-2026-1470 deprecated with": "(() => { const constructor = 1; return (function () {}).constructor('with(this){return process}')() })()",
    "CVE-2026-25049 destructuring": "(() => { const {constructor} = () => {}; return constructor('return process')() })()",
    "CVE-2026-25049 default parameter": "(({constructor: f} = () => {}) => f('return process.env')())()",
    "CVE-2026-27577 identifier": "((process) => process.env)(globalThis.process)",
    "CVE-2026-72765 arrow body": "(() => process)().env",
    "CVE-2026-72765 nested arrow": "[0].map(() => () => process)[0]().env",
    "CVE-2026-85165 spread": "{...process}.env",
    "CVE-2026-85165 computed key": "{[process.env.HOME]: 1}",
    "CVE-2026-85165 switch": "(() => { switch (1) { case process.pid: return 1; default: return process.env } })()",
    "CVE-2026-85165 tagged template": "(() => 1).constructor`return process``x`",
    "GHSA-9x83-43r8-5hwc": "input.__proto__.constructor.constructor('return process')()",
    "prepareStackTrace": "(() => { Error.prepareStackTrace = (_, frames) => frames; const e = new Error(); return e.stack[0].getThis().process })()",
    "prepareStackTrace function": "(() => { Error.prepareStackTrace = (_, frames) => frames.map(f => f.getFunction()); return new Error().stack.at(-1)('1') })()",
    "error of the engine": "(() => { try { null.x } catch (e) { return e.constructor.constructor('return process')() } })()",
    "stack overflow": "(() => { const f = () => { try { f() } catch (e) { return e.constructor.constructor('return process')() } }; return f() })()",
    "promise": "(async () => 1)().then(x => x).constructor.constructor('return process')()",
    "import": "import('child_process').then(m => m.execSync('id'))",
    "import meta": "import('data:text/javascript,globalThis.x = 1')",
    "proxy": "new Proxy({}, {getPrototypeOf() { return Array.prototype }, ownKeys() { return process.env }}).x.y",
    "symbol species": "(() => { class A extends Array { static get [Symbol.species]() { return process } } return new A(1).map(x => x) })()",
    "toPrimitive": "`${ {[Symbol.toPrimitive]() { return process.env }} }`",
    "toJSON": "{toJSON() { return process.env }}",
    "getter": "{get a() { return process.env }}",
    "callee": "(function () { return arguments.callee.caller })()",
    "generator": "(function* () { yield process })().next().value",
    "label and comma": "(0, globalThis['pro' + 'cess'])",
    "unicode": "pro\\u0063ess.env",
    "secret prefix": "secret.constructor('return process')()",
    "now prefix": "now.constructor.constructor('return process')()",
    "node prefix": "nodes.constructor.constructor('return process')()",
}  # fmt: skip

BOMBS = {
    "endless loop": "(() => { while (true); })()",
    "endless loop that catches": "(() => { for (;;) try { for (;;); } catch {} finally { for (;;); } })()",
    "endless generator": "[...(function* () { for (;;) yield 1 })()]",
    "endless iterator": "Array.from({[Symbol.iterator]: () => ({next: () => ({})})})",
    "endless getter": "{get a() { for (;;); }}",
    "endless toJSON": "{toJSON() { return {a: this} }}",
    "endless toString": "`${ {toString() { for (;;); }} }`",
    "endless sort": "[3, 2, 1].sort(() => { for (;;); })",
    "endless proxy": "JSON.stringify(new Proxy([], {get: (t, k) => k === 'length' ? 2 ** 53 - 1 : k === 'toJSON' ? undefined : 1}))",
    "endless native loop": "new Array(1e9).join('x')",
    "native loop without elements": "Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)",
    "native reverse": "Array.prototype.reverse.call({length: 2 ** 53 - 1})",
    "native sort": "Array.prototype.sort.call({length: 2 ** 32 - 1})",
    "native fill": "new Array(2 ** 31).fill(0)",
    "native copy": "Array.from({length: 2 ** 32 - 1})",
    "native concat": "[].concat(...new Array(1e4).fill(new Array(1e5)))",
    "huge power": "2n ** 100000000n",
    "huge product": "(() => { let n = 3n; for (;;) n *= n })()",
    "huge factorial text": "(() => { let n = 1n; for (let i = 1n; i < 1000000n; i++) n *= i; return n.toString() })()",
    "doubled text": "(() => { let s = 'x'; for (;;) s += s })()",
    "doubled text, in few steps": "'x'.repeat(2 ** 29)",
    "padded text": "'x'.padEnd(2 ** 30 - 1)",
    "replaced text": "'x'.repeat(1e6).replace(/x/g, 'y'.repeat(1e5))",
    "doubled list": "(() => { let a = [1]; for (;;) a = a.concat(a) })()",
    "filled map": "(() => { const m = new Map(); for (let i = 0; ; i++) m.set(i, 'x'.repeat(100)) })()",
    "filled object": "(() => { const o = {}; for (let i = 0; ; i++) o['k' + i] = i })()",
    "nested objects": "(() => { let o = {}; for (;;) o = {o} })()",
    "nested result": "(() => { let o = 1; for (let i = 0; i < 1e5; i++) o = [o]; return o })()",
    "shared result": "(() => { let o = 'xx'; for (let i = 0; i < 30; i++) o = [o, o]; return o })()",
    "cyclic result": "(() => { const o = {}; o.o = [o]; return o })()",
    "huge result": "'x'.repeat(5e6)",
    "wide result": "new Array(1e6).fill(0)",
    "huge buffer": "new ArrayBuffer(1e9).byteLength",
    "many buffers": "(() => { const all = []; for (;;) all.push(new Uint8Array(1e6)) })()",
    "deep recursion": "(function f() { return f() })()",
    "deep recursion that catches": "(function f() { try { return f() } catch { return f() } })()",
    "mutual recursion": "(() => { const f = () => g(), g = () => f(); return f() })()",
    "recursion through JSON": "(() => { const o = {toJSON: () => JSON.stringify(o)}; return JSON.stringify(o) })()",
    "recursion through sort": "(function f() { return [2, 1].sort(() => f()) })()",
    "recursion through proxies": "(() => { let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x ?? p.y.z })()",
    "deep JSON": "JSON.parse('['.repeat(1e5) + ']'.repeat(1e5))",
    "catastrophic regex": "/^(a+)+$/.test('a'.repeat(40) + 'b')",
    "catastrophic regex with groups": "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))",
    "catastrophic regex with lookbehind": "/(?<=^(a+)+)b/.test('c' + 'a'.repeat(40) + 'b')",
    "many captures": "new RegExp('('.repeat(1e4) + ')'.repeat(1e4)).test('')",
    "deep regex": "new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5)).test('')",
    "counted regex": "new RegExp('(?:a{1000}){1000}'.repeat(100)).test('a'.repeat(1e6))",
    "unfinished promise": "(async () => { for (;;) await 1 })()",
    "thrown trap": "(() => { throw {get name() { for (;;); }, get message() { for (;;); }} })()",
    "thrown bomb": "(() => { throw new Error('x'.repeat(1e7)) })()",
    "thrown proxy": "(() => { throw new Proxy({}, {get() { throw 1 }, getPrototypeOf() { throw 2 }}) })()",
    "thrown symbol": "(() => { throw Symbol('x') })()",
    "polluted prototype": "(Object.prototype.polluted = 1, polluted.x.y)",
    "polluted by key": "(JSON.parse('{\"__proto__\": {\"a\": 1}}'), ({}).a.b)",
    "array length": "new Array(-1)",
    "class with many fields": "new (class { " + "a = 1; " * 5000 + "b = (() => { for (;;); })() })()",
}  # fmt: skip

LONG_SOURCES = {
    "20,000 terms": "+".join(["input"] * 8_000) + ".x.y",
    "deep parentheses": "(" * 30_000 + "1" + ")" * 30_000,
    "deep lists": "[" * 30_000 + "]" * 30_000,
    "deep objects": "{a:" * 15_000 + "1" + "}" * 15_000,
    "deep negation": "!" * 60_000 + "1",
    "deep ternary": "1?" * 10_000 + "1" + ":1" * 10_000,
    "deep arrows": "x=>" * 20_000 + "1",
    "deep templates": "`${" * 15_000 + "1" + "}`" * 15_000,
    "deep calls": "f(" * 20_000 + ")" * 20_000,
    "deep member chain": "input" + ".a" * 30_000,
    "deep optional chain": "input" + "?.a" * 20_000 + ".b.c",
    "deep assignment": "a=" * 20_000 + "1",
    "many arguments": "Math.max(" + "1," * 30_000 + "input.x.y)",
    "many strings": "'x'+" * 15_000 + "input.x.y",
    "many nested functions": "(function(){return " * 3_000 + "1" + "})()" * 3_000,
    "nothing but brackets": "[](){}" * 10_000,
    "too long": "1" * 65_537,
}


class TestEscapes:
    """S-EXPR-4: no way leads out, also none that was found elsewhere."""

    def test_are_many(self):
        assert len(CHAINS) + len(PUBLISHED) + len(BOMBS) + len(LONG_SOURCES) > 500

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_do_not_lead_out_by_way_of_any_function(self, target, function):
        own = [chain for chain in CHAINS if function in chain]

        for source in own:
            error_of(target, source)

        assert own
        assert_unharmed(target)

    @pytest.mark.parametrize("source", PUBLISHED.values(), ids=PUBLISHED.keys())
    def test_do_not_lead_out_as_published(self, target, source):
        error = error_of(target, source, input={}, nodes={})

        assert error.code != "crashed"
        assert_unharmed(target)

    @pytest.mark.parametrize("source", PUBLISHED.values(), ids=PUBLISHED.keys())
    def test_do_not_lead_out_in_company(self, target, source):
        """Several expressions share a context, which is closed more tightly."""
        results = target.evaluate(
            [Expression(source), Expression("[1].map(x => x)")], {"input": {}, "nodes": {}}, now=NOON
        )

        assert results[0].error is not None
        assert results[1].value == [1]


class TestBombs:
    """S-EXPR-3: time, memory, stack and size run out for the expression, and for nobody else."""

    @pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
    def test_go_off_where_they_do_no_harm(self, target, source):
        error_of(target, source)

        assert_unharmed(target)

    @pytest.mark.parametrize("source", LONG_SOURCES.values(), ids=LONG_SOURCES.keys())
    def test_do_not_choke_the_parser(self, target, source):
        error = error_of(target, source, input={})

        assert error.code != "crashed"
        assert_unharmed(target)

    @pytest.mark.parametrize("source", LONG_SOURCES.values(), ids=LONG_SOURCES.keys())
    def test_do_not_choke_the_compiler(self, target, source):
        target.check([source])

        assert_unharmed(target)

    @pytest.mark.parametrize("name", ["endless loop", "doubled list", "deep recursion", "endless native loop"])
    def test_leave_the_others_of_a_node_unharmed(self, target, name):
        results = target.evaluate([Expression("1 + 1"), Expression(BOMBS[name]), Expression("2 + 2")], {}, now=NOON)

        assert [result.value for result in results] == [2, None, 4]

    def test_take_twenty_thousand_terms_for_an_honest_sum(self, target):
        assert value_of(target, "+".join(["1"] * 20_000)) == 20_000


class TestNoise:
    """S-EXPR-2: whatever text comes, the answer is a result or an error."""

    @given(st.text(max_size=60) | st.text(alphabet="inputodes.[](){}=>`$'\"/*+-!?:;,0 \n", max_size=60))
    @settings(deadline=None, max_examples=300)
    def test_is_answered(self, source):
        (result,) = InProcessSandbox().evaluate([Expression(source)], {"input": {"a": [1]}, "nodes": {}}, now=NOON)

        assert result.error is None or result.error.code != "crashed"

    @given(st.lists(st.sampled_from([*PUBLISHED.values(), "input", "(input)", "1 +", "input.x"]), max_size=6))
    @settings(deadline=None, max_examples=40)
    def test_is_answered_one_by_one(self, sources):
        sandbox = InProcessSandbox(LARGE)

        results = sandbox.evaluate([Expression(source) for source in sources], {"input": 1, "nodes": {}}, now=NOON)

        assert len(results) == len(sources)
        for source, result in zip(sources, results, strict=True):
            assert (result.value == 1) is (source in ("input", "(input)"))
