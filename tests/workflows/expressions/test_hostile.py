"""Expressions that mean harm. Each ends in an error, the parent lives, and the next evaluation works."""

from __future__ import annotations

import itertools
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clock import NOON
from tests.workflows.expressions.evaluating import error_of, value_of
from workflows.expressions import (
    SCRIPT_LIMITS,
    Expression,
    ExpressionError,
    InProcessSandbox,
    Limits,
    Sandbox,
    Sandboxes,
)
from workflows.expressions.errors import CODES

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

# The shapes of published escapes from other evaluators and template languages. Most are no JavaScript, or name nothing here.
ELSEWHERE = {
    "vm2 CVE-2023-29017": "(() => { Error.prepareStackTrace = (e, frames) => { frames.constructor.constructor('return process')().exit() }; return (async () => null.x)() })()",
    "vm2 CVE-2023-30547": "(() => { const handler = {getPrototypeOf() { (function stack() { new Error().stack; stack() })() }}; try { throw new Proxy({}, handler) } catch ({constructor: c}) { return c.constructor('return process')() } })()",
    "vm2 CVE-2023-32314": "(() => { const err = new Error(); err.name = {toString: new Proxy(() => '', {apply(target, thiz, args) { return args.constructor.constructor('return process')() }})}; return err.stack.x.y })()",
    "vm2 CVE-2023-37466": "(() => { const p = Promise.resolve(); p.then = 1; return p.constructor[Symbol.species].constructor.constructor('return process')() })()",
    "vm2 CVE-2023-37903": "(() => { const inspect = Symbol.for('nodejs.util.inspect.custom'); return {[inspect]: (depth, opt, f) => f.constructor('return process')()}[inspect](0, 0, () => 1) })()",
    "vm2 CVE-2022-36067": "(() => { globalThis.Error = class { static prepareStackTrace(_, frames) { return frames[0].getThis() } }; return new Error().stack.process.env })()",
    "vm2 CVE-2019-10761": "(() => { const f = Buffer.prototype.write; return f.call({}).constructor.constructor('return process')() })()",
    "vm2 CVE-2021-23449": "(() => { const f = import('x'); return f.__proto__.__proto__.constructor.constructor('return process')() })()",
    "node vm": "this.constructor.constructor('return this.process')().mainModule.require('child_process')",
    "isolated-vm reference": "_ref.copySync().constructor.constructor('return process')()",
    "jailed": "application.remote.constructor('return process')()",
    "safe-eval CVE-2017-16088": "(() => { const f = Object.constructor('return process'); return f().exit() })()",
    "static-eval CVE-2017-16226": "(function (x) { return ''[!x ? '__proto__' : 'constructor'][x] })('constructor')('return process')()",
    "notevil": "(() => { const f = Function.prototype.apply; return f.constructor('return this')().process.env })()",
    "angular 1.5": "'a'.constructor.prototype.charAt = [].join, [1].map((0, eval)), x.y",
    "angular 1.6": "toString.constructor.prototype.toString.constructor('return process')()",
    "handlebars CVE-2019-19919": "(() => { const {lookup, constructor} = {}; return constructor.constructor('return process')() })()",
    "handlebars GHSA-g9r4-xpmj-mj65": "[].constructor.prototype.__lookupGetter__('__proto__').call(() => 1).constructor('return process')()",
    "lodash template CVE-2021-23337": "`${globalThis.constructor.constructor('return process')()}`",
    "ejs CVE-2022-29078": "({settings: {'view options': {outputFunctionName: 'x;process.env;x'}}}).settings.y.z",
    "pug CVE-2021-21353": "pug_debug.process.mainModule.require('child_process')",
    "nunjucks": "range.constructor('return process')()",
    "mathjs": "cos.constructor('return process')()",
    "expr-eval CVE-2025-12735": "(() => { const f = {toString: () => 'process'}; return globalThis[f].env.x })()",
    "jsonata GHSA-fqg8-vfv7-8fj8": "[].constructor.prototype.constructor.constructor('return process')()",
    "node-red function node": "global.get('process').mainModule.require('child_process').execSync('id')",
    "jinja subclasses": "''.__class__.__mro__[1].__subclasses__()",
    "jinja cycler": "cycler.__init__.__globals__.os.popen('id').read()",
    "jinja config": "config.__class__.from_envvar.__globals__['__builtins__']['__import__']('os')",
    "jinja lipsum": "lipsum.__globals__['os'].popen('id').read()",
    "jinja attr": "''['__class__']['__base__']['__subclasses__']()[0]['__init__']['__globals__']",
    "jinja format string": "'{0.__class__.__init__.__globals__}'.format(input)",
    "jinja request": "request.application.__globals__.__builtins__.__import__('os')",
    "python format": "'%s' % (__import__('os').environ,)",
    "python generator frame": "(x for x in [1]).gi_frame.f_back.f_globals",
    "python decorator": "(lambda: 0).__code__.__class__",
    "simpleeval": "input.__reduce_ex__(2)[0].__globals__",
    "SpEL": "T(java.lang.Runtime).getRuntime().exec('id')",
    "OGNL": "(#a=@java.lang.Runtime@getRuntime().exec('id'))",
    "EL": "''.getClass().forName('java.lang.Runtime').getMethods()[6].invoke()",
    "freemarker": "'freemarker.template.utility.Execute'?new()('id')",
    "velocity": "$class.inspect('java.lang.Runtime').type.getRuntime().exec('id')",
    "smarty": "Smarty_Internal_Write_File.writeFile('x', '<?php', self)",
    "twig": "_self.env.registerUndefinedFilterCallback('exec')",
    "ERB": "`id`.system('id')",
    "lua": "string.rep.format(os.execute('id'))",
    "graaljs": "Java.type('java.lang.Runtime').getRuntime().exec('id')",
    "rhino": "new java.lang.ProcessBuilder('id').start()",
    "nashorn": "load('http://127.0.0.1/x.js')",
    "quickjs std": "std.popen('id', 'r').readAsString()",
    "quickjs os": "os.exec(['id'])",
    "quickjs worker": "new Worker('data:text/javascript,1').postMessage({})",
    "quickjs bjson": "bjson.read(new ArrayBuffer(64), 0, 64, true)",
    "quickjs import": "import('std').then(std => std.loadFile('/etc/passwd')).x.y",
    "deno": "Deno.readTextFileSync('/etc/passwd')",
    "bun": "Bun.spawnSync(['id'])",
    "browser": "fetch('http://127.0.0.1/').then(r => r.text())",
    "xhr": "new XMLHttpRequest().open('GET', 'http://127.0.0.1/')",
    "websocket": "new WebSocket('ws://127.0.0.1/')",
    "wasm": "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))",
    "shared memory": "new SharedArrayBuffer(8)",
    "atomics": "Atomics.wait(new Int32Array(8), 0, 0)",
    "weak reference": "new WeakRef({}).deref().x.y",
    "finalizer": "new FinalizationRegistry(() => 1).register({}, 1)",
    "timer": "setTimeout(() => 1, 0)",
}  # fmt: skip

# What breaks the tools that look at a result. It must not break the parent, and no answer may be taken for another's.
TAMPERING = {
    "stringify to no JSON": "(JSON.stringify = () => 'not json', {a: 1})",
    "stringify to an error": "(JSON.stringify = () => '{\"error\": 5}', {a: 1})",
    "stringify to an empty object": "(JSON.stringify = () => '{}', {a: 1})",
    "stringify to a list": "(JSON.stringify = () => '[{\"value\": 1}]', {a: 1})",
    "stringify to two": "(JSON.stringify = () => '{\"value\": 1, \"error\": {}}', {a: 1})",
    "stringify to a number": "(JSON.stringify = () => 5, {a: 1})",
    "stringify to nothing": "(JSON.stringify = () => undefined, {a: 1})",
    "stringify to a strange error": "(JSON.stringify = () => '{\"error\": {\"code\": {}, \"line\": \"x\"}}', {a: 1})",
    "stringify to an unknown code": "(JSON.stringify = () => '{\"error\": {\"code\": \"approved\", \"message\": \"\"}}', {a: 1})",
    "toJSON of everything": "(Object.prototype.toJSON = () => 5, {a: 1})",
    "toJSON that throws": "(Object.prototype.toJSON = () => { throw 1 }, {a: 1})",
    "no slices": "(String.prototype.slice = () => ({}), input.x.y)",
    "no Error": "(globalThis.Error = 5, undefined)",
    "no assign": "(Object.assign = () => ({}), undefined)",
    "thrown refusal": "(() => { throw {name: 'x', message: 'y', refused: {}} })()",
    "thrown line": "(() => { const e = new Error('x'); Object.defineProperty(e, 'stack', {value: ':99999999999999999999:5'}); throw e })()",
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

# Natives, regular expressions, iteration and thrown things of other kinds than above.
ODDITIES = {
    "quadratic search": "('a'.repeat(1e7) + 'b').includes('a'.repeat(5e6) + 'c')",
    "quadratic split": "'a'.repeat(2e6).split('a'.repeat(1e6) + 'b').length.x.y",
    "quadratic replacement": "'a'.repeat(2e6).replaceAll('a'.repeat(1e6) + 'b', 'x').x.y",
    "replacement by function": "'x'.repeat(1e7).replaceAll('x', () => 'yy').length",
    "split into letters": "'x'.repeat(3e7).split('').length",
    "letters composed without memory": "'\\u0344'.repeat(5e6).normalize('NFKD').length",
    "letters put in order": "('a' + '\\u0301\\u0327'.repeat(1e6)).normalize('NFC').length",
    "letters compared": "'\\u0344'.repeat(5e6).localeCompare('\\u0344'.repeat(5e6) + 'a').x.y",
    "large integer written": "(1n << 1000000n).toString().length",
    "large integer read": "BigInt('9'.repeat(1e6)) > 0n",
    "large integers multiplied": "(1n << 10000000n) * (1n << 10000000n) > 0n",
    "elements moved": "Array.prototype.copyWithin.call({length: 2 ** 53 - 1}, 1, 0)",
    "elements moved up": "Array.prototype.unshift.call({length: 2 ** 50, 0: 1}, 1)",
    "elements taken out": "Array.prototype.splice.call({length: 2 ** 50}, 0, 1)",
    "elements filled in": "Array.prototype.fill.call({length: 2 ** 53 - 1}, 1)",
    "elements found": "Array.prototype.findLast.call({length: 2 ** 53 - 1}, () => false)",
    "elements reduced": "Array.prototype.reduceRight.call({length: 2 ** 53 - 1}, () => 1, 1)",
    "elements spoken": "new Array(1e9).toLocaleString()",
    "raw template without end": "String.raw({raw: {length: 2 ** 53 - 1}}, 1)",
    "raw template of many": "String.raw({raw: 'x'.repeat(1e7)}, ...'y'.repeat(1e6)).length",
    "many arguments": "Math.max.apply(null, {length: 2 ** 31})",
    "many spread": "Math.max(...new Array(1e7))",
    "letters of nothing": "String.fromCharCode.apply(null, {length: 2 ** 28})",
    "flat without end": "(() => { const a = []; a.push(a, a); return a.flat(Infinity) })()",
    "flat of doublings": "(() => { let a = [1]; for (let i = 0; i < 25; i++) a = [a, a]; return a.flat(Infinity).length })()",
    "reviver that grows": "JSON.parse('[1,2]', function (k, v) { if (k === '0') this[1] = [1, 2]; return v })",
    "reviver without end": "JSON.parse('[[1]]', function () { for (;;); })",
    "list of keys without end": "JSON.stringify({a: 1}, new Array(1e8)).length",
    "keys of a proxy": "JSON.stringify(new Proxy({}, {ownKeys: () => Array.from({length: 1e6}, (_, i) => 'k' + i), getOwnPropertyDescriptor: () => ({enumerable: true, configurable: true, value: 1})})).length",
    "base64 of much": "btoa('x'.repeat(2e7)).length",
    "number of many digits": "Number('1'.repeat(2e7))",
    "regex of alternatives": "/^(a|a)*$/.test('a'.repeat(40) + 'b')",
    "regex of nested quantifiers": "/(x+x+)+y/.test('x'.repeat(50))",
    "regex that looks back at itself": "/^(a*)*\\1b$/.test('a'.repeat(40))",
    "regex of all letters": "new RegExp('(?:\\\\p{L}|\\\\p{N})'.repeat(5000), 'u').test('x')",
    "regex of all emoji": "new RegExp('\\\\p{RGI_Emoji}'.repeat(500), 'v').test('x')",
    "regex of deep look-ahead": "new RegExp('(?='.repeat(3e4) + ')'.repeat(3e4)).test('')",
    "regex of all matches": "[...'x'.repeat(5e6).matchAll(/x/g)].length",
    "regex with a position of its own": "(() => { const r = /a/y; r.lastIndex = {valueOf() { for (;;); }}; return r.test('a') })()",
    "regex that runs nothing": "(() => { const r = /x/g; r.exec = () => ({index: 0, length: 2 ** 53 - 1, 0: ''}); return 'x'.replace(r, 'y') })()",
    "recursion through replace": "(function f() { return 'a'.replace(/a/, f) })()",
    "recursion through bound functions": "(() => { let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(); return f() })()",
    "prototypes without end": "(() => { let o = {}; for (let i = 0; i < 1e6; i++) o = Object.create(o); return o.x.y })()",
    "prototype of itself": "(() => { const p = new Proxy({}, {getPrototypeOf() { return p }}); return p instanceof Object })()",
    "asked for without end": "(() => { const p = Object.create(new Proxy({}, {has() { for (;;); }})); return 'x' in p })()",
    "symbols": "(() => { for (let i = 0; ; i++) Symbol.for('k' + i) })()",
    "names": "(() => { const o = {}; for (let i = 0; ; i++) o['k' + i] })()",
    "map that grows": "(() => { const m = new Map([[1, 1]]); for (const [k] of m) { m.delete(k); m.set(k + 1, 1) } })()",
    "union with a liar": "new Set([1]).union({size: 2 ** 53 - 1, has: () => true, keys: () => ({next: () => ({done: false, value: 1})})})",
    "groups without end": "Object.groupBy({[Symbol.iterator]: function* () { for (;;) yield 1 }}, x => x)",
    "iterator helper": "Iterator.from({next: () => ({value: 1, done: false})}).toArray()",
    "generator that will not end": "(() => { function* g() { try { yield 1 } finally { for (;;); } } for (const x of g()) break; return 1 })()",
    "disposal": "(() => { using x = {[Symbol.dispose]() { for (;;); }}; return 1 })()",
    "static block": "(class { static { for (;;); } })",
    "time caught": "(() => { try { for (;;); } finally { return 1 } })()",
    "memory caught": "(() => { for (;;) try { 'x'.repeat(2 ** 29) } catch {} })()",
    "thrown stack": "(() => { const e = new Error('x'); Object.defineProperty(e, 'stack', {get() { for (;;); }}); throw e })()",
    "thrown position": "(() => { const e = new Error('x'); Object.defineProperty(e, 'stack', {value: ':' + '1'.repeat(1e7)}); throw e })()",
    "thrown name": "(() => { const e = new Error('x'); e.name = 'n'.repeat(1e7); throw e })()",
    "thrown causes": "(() => { let e; for (let i = 0; i < 1e6; i++) e = new Error('x', {cause: e}); throw e })()",
    "thrown null": "(() => { throw null })()",
    "frames without end": "(() => { Error.stackTraceLimit = 2 ** 31; (function f() { f() })() })()",
    "buffer that grows": "new ArrayBuffer(1e7).transfer(2 ** 31).byteLength",
    "buffer copied onto itself": "(() => { const a = new Uint8Array(1e6); for (let i = 0; i < 1e6; i++) a.set(a.subarray(0, 9e5), 1e5) })()",
    "revoked proxy": "(() => { const {proxy, revoke} = Proxy.revocable([], {}); revoke(); return [proxy] })()",
    "long proxy": "new Proxy([1, 2], {get: (t, k) => k === 'length' ? 1e7 : t[k] ?? 0})",
    "number beyond all": "JSON.rawJSON('1e400')",
    "number of too many digits": "[JSON.rawJSON('1' + '0'.repeat(300) + 'e50')]",
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
        """The issue asks for 200, of all kinds."""
        one_by_one = PUBLISHED | ELSEWHERE | TAMPERING | BOMBS | ODDITIES | LONG_SOURCES

        assert len(one_by_one) + len(SCRIPT_BOMBS) >= 200
        assert len(CHAINS) > 500

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_do_not_lead_out_by_way_of_any_function(self, target, function):
        own = [chain for chain in CHAINS if function in chain]

        for source in own:
            error_of(target, source)

        assert own
        assert_unharmed(target)

    @pytest.mark.parametrize("made", ["function", "function*", "async function", "async function*"])
    def test_find_no_compiler(self, target, made):
        """Each kind of function was made by one of its own."""
        maker = f"Object.getPrototypeOf({made} () {{}}).constructor"

        assert value_of(target, f"{maker} === Object") is True
        assert error_of(target, f"{maker}('yield this')().next().value").code == "type_error"

    @pytest.mark.parametrize("source", PUBLISHED.values(), ids=PUBLISHED.keys())
    def test_do_not_lead_out_as_published(self, target, source):
        error = error_of(target, source, input={}, nodes={})

        assert error.code != "crashed"
        assert_unharmed(target)

    @pytest.mark.parametrize("source", ELSEWHERE.values(), ids=ELSEWHERE.keys())
    def test_do_not_lead_out_as_published_elsewhere(self, target, source):
        error = error_of(target, source, input={}, nodes={})

        assert error.code != "crashed"
        assert_unharmed(target)

    def test_tell_nothing_of_where_they_are(self, target, monkeypatch):
        """Nothing of this process, its environment or its files is in what comes back."""
        monkeypatch.setenv("SEGUE_CANARY", "canary-5f1d")
        target.close()

        for source in [*PUBLISHED.values(), *ELSEWHERE.values()]:
            error = error_of(target, source, input={}, nodes={})
            assert not any(
                trace in error.message for trace in ("canary-5f1d", "root:", "uid=", str(os.getpid()), os.getcwd())
            )

    @pytest.mark.parametrize("source", PUBLISHED.values(), ids=PUBLISHED.keys())
    def test_do_not_lead_out_in_company(self, target, source):
        """Several expressions share a context, which is closed more tightly."""
        results = target.evaluate(
            [Expression(source), Expression("[1].map(x => x)")], {"input": {}, "nodes": {}}, now=NOON
        )

        assert results[0].error is not None
        assert results[1].value == [1]


@pytest.fixture(scope="module")
def ordinary() -> Iterator[Sandbox]:
    """A sandbox with the limits that hold in production."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def seconds_of_cpu(sandbox: Sandbox) -> float:
    """Return what all children of this process have computed so far: those that are gone, and this sandbox's."""
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    fields = Path(f"/proc/{sandbox.pid}/stat").read_text().rpartition(")")[2].split() if sandbox.pid else ["0"] * 13
    return gone.ru_utime + gone.ru_stime + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | None = None) -> int:
    return int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1]) * resource.getpagesize()


class TestTampering:
    """S-EXPR-2: what comes from the child is looked at before it is believed."""

    @pytest.mark.parametrize("source", TAMPERING.values(), ids=TAMPERING.keys())
    def test_gives_a_result_or_an_error_of_its_own(self, target, source):
        (result,) = target.evaluate([Expression(source)], {"input": {}}, now=NOON)

        assert result.error is None or result.error.code in CODES
        assert_unharmed(target)

    @pytest.mark.parametrize("source", TAMPERING.values(), ids=TAMPERING.keys())
    def test_does_not_reach_those_beside_it(self, target, source):
        results = target.evaluate([Expression(source), Expression("({b: 2})")], {"input": {}}, now=NOON)

        assert results[1].value == {"b": 2}


class TestBombs:
    """S-EXPR-3: time, memory, stack and size run out for the expression, and for nobody else."""

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    @pytest.mark.parametrize("source", (BOMBS | ODDITIES).values(), ids=(BOMBS | ODDITIES).keys())
    def test_go_off_within_a_second_where_they_do_no_harm(self, ordinary, source):
        assert_unharmed(ordinary)
        before, held = seconds_of_cpu(ordinary), resident_bytes()

        error_of(ordinary, source)

        # Of the processor, because a busy machine proves nothing.
        assert seconds_of_cpu(ordinary) - before < 1
        assert resident_bytes() - held < 20 * 1024 * 1024
        assert_unharmed(ordinary)

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_leave_no_memory_taken_however_often_they_go_off(self):
        corpus = [*PUBLISHED.values(), *ELSEWHERE.values(), *TAMPERING.values()]
        sandbox = Sandbox(LARGE)
        held = []

        for _ in range(20):
            for source in corpus:
                sandbox.evaluate([Expression(source)], {"input": {}, "nodes": {}}, now=NOON)
            held.append((resident_bytes(), resident_bytes(sandbox.pid)))

        sandbox.close()
        assert held[-1][0] - held[4][0] < 8 * 1024 * 1024
        assert held[-1][1] - held[4][1] < 8 * 1024 * 1024

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    @pytest.mark.parametrize("source", LONG_SOURCES.values(), ids=LONG_SOURCES.keys())
    def test_do_not_choke_the_parser(self, target, source):
        held = resident_bytes()

        error = error_of(target, source, input={})

        assert error.code != "crashed"
        assert resident_bytes() - held < 60 * 1024 * 1024
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


SCRIPT_BOMBS = {
    "endless loop": "for (;;);",
    "endless loop that catches": "for (;;) try { for (;;); } catch {} finally { continue }",
    "grown list": "const all = []; for (;;) all.push(all.length)",
    "grown items": "for (const item of items) items.push(item)",
    "grown text": "let s = 'x'; for (;;) s += s",
    "recursion": "function f() { f() } f()",
    "hoisted recursion": "var f = () => g(); var g = () => f(); f()",
    "cyclic items": "items.push(items); return items",
    "huge result": "return 'x'.repeat(6e6)",
    "deep result": "let o = 1; for (let i = 0; i < 1e4; i++) o = [o]; return o",
    "catastrophic regex": "return /^(a+)+$/.test('a'.repeat(60) + 'b')",
    "getter of a result": "return {get a() { for (;;); }}",
    "thrown getter": "throw {get name() { for (;;); }}",
    "native loop": "return new Array(1e9).join('x')",
    "tampered result": "JSON.stringify = () => 'not json'; return {}",
    "tampered error": "String.prototype.slice = () => ({}); throw new Error('x')",
    "tampered iteration": "Array.prototype[Symbol.iterator] = function* () { for (;;) yield 1 }; return [...items]",
    "closed function": "return 1 })(), (() => { for (;;);",
    "unclosed function": "return (() => {",
    "global": "globalThis.items = 1; return globalThis.process.env",
    "arguments": "return arguments.callee.caller.constructor('return process')()",
    "sloppy this": "return (function () { return this })().process",
    "with": "with (items) { return constructor.constructor('return process')() }",
    "function constructor": "return (() => 1).constructor('return process')()",
    "eval": "return eval('process')",
    "indirect eval": "return (0, eval)('process')",
    "import": "return import('std')",
    "new.target": "return new.target.constructor('return process')()",
    "secret": "return secret('KEY')",
    "prototype of items": "items.__proto__.constructor.constructor('return process')(); return 1",
}  # fmt: skip


@pytest.fixture(scope="module")
def scripts() -> Iterator[Sandboxes]:
    made = Sandboxes(replace(SCRIPT_LIMITS, cpu_seconds=0.2, batch_cpu_seconds=0.2), most=1)
    yield made
    made.close()


class TestScripts:
    """[S-EXPR-7] A script has a larger budget and the same walls."""

    def fails(self, sandboxes: Sandboxes, body: str) -> ExpressionError:
        with pytest.raises(ExpressionError) as caught:
            sandboxes.run_script(body, [{"a": 1}], {"input": {}, "nodes": {}}, now=NOON)
        assert sandboxes.run_script("return items.map(n => n * 2)", [1, 2], {}, now=NOON) == [2, 4]
        return caught.value

    @pytest.mark.parametrize("body", SCRIPT_BOMBS.values(), ids=SCRIPT_BOMBS.keys())
    def test_fail_and_do_no_harm(self, scripts, body):
        held = resident_bytes()

        assert self.fails(scripts, body).code in CODES
        assert resident_bytes() - held < 40 * 1024 * 1024

    def test_do_not_lead_out_by_any_published_way(self, scripts):
        for source in [*PUBLISHED.values(), *ELSEWHERE.values()]:
            assert self.fails(scripts, f"return ({source})").code in CODES

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_do_not_lead_out_by_way_of_any_function(self, scripts, function):
        for way in WAYS_TO_THE_MAKER:
            self.fails(scripts, f"const f = {function};\nreturn {way.format(f='f')}('return process')()")

    @pytest.mark.parametrize("body", ["for (;;);", "return new Array(1e9).join('x')"])
    def test_are_ended_by_their_own_budget(self, body):
        sandboxes = Sandboxes(SCRIPT_LIMITS, most=1)
        before = seconds_of_cpu_of_the_gone()

        assert self.fails(sandboxes, body).code == "time_limit"

        sandboxes.close()
        # A little longer for what never looks at the clock, and for the children's start.
        assert seconds_of_cpu_of_the_gone() - before < SCRIPT_LIMITS.cpu_seconds + 2

    @pytest.mark.parametrize("body", SCRIPT_BOMBS.values(), ids=SCRIPT_BOMBS.keys())
    def test_do_no_harm_for_each_item_either(self, scripts, body):
        with suppress(ExpressionError):
            scripts.run_script_each(body, [1, 2], {"input": {}}, now=NOON)

        assert scripts.run_script_each("return item * 2", [1, 2], {}, now=NOON) == [2, 4]


def seconds_of_cpu_of_the_gone() -> float:
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    return gone.ru_utime + gone.ru_stime


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
