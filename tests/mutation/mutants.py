"""Single changes of a Python source: each mutant is the whole text with one expression or statement changed.

What a change would say nothing about is left alone: docstrings, annotations, decorators, imports, the words of
raised errors, `assert` and zip's `strict` (which say what holds anyway), `__repr__`, and TYPE_CHECKING blocks.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
SWITCHED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
RENAMED = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "zeros": "ones",
    "argmin": "argmax",
    "argmax": "argmin",
    "sorted": "list",
}
WORDS = {"description", "summary", "when", "advice", "what", "strict", "encoding"}  # keywords that change no result
LARGE = 100  # from here on a number is a limit or a size, and one more would say little
COMMUTATIVE = {"min", "max", "minimum", "maximum", "array_equal", "equal", "logical_and", "logical_or", "gcd"}
SILENT = (ast.Import, ast.ImportFrom, ast.Raise, ast.Assert, ast.JoinedStr, ast.Global, ast.Nonlocal)
Place = tuple[int, int]


@dataclass(frozen=True)
class Mutant:
    """The bytes `span` of the file at `path` replaced by `after`; `lines` are those of the changed statement.

    `once` says that importing the module runs it, and no call.
    """

    path: str
    line: int
    lines: Place
    kind: str
    before: str
    after: str
    span: Place
    once: bool

    @property
    def name(self) -> str:
        """Place and change, in one line."""
        before, after = _apart(*(" ".join(part.split()) for part in (self.before, self.after)))
        return f"{self.path}:{self.line} {self.kind}: {before} -> {after}"

    def applied(self, source: str) -> str:
        """The changed text."""
        text = source.encode()
        return (text[: self.span[0]] + self.after.encode() + text[self.span[1] :]).decode()

    def differs(self, source: str) -> bool:
        """Whether the changed text compiles, to something else than the source."""
        try:
            changed = ast.parse(self.applied(source))
            compile(changed, self.path, "exec")
        except (SyntaxError, ValueError):
            return False
        return ast.dump(changed) != ast.dump(ast.parse(source))


def mutants(source: str, *, path: str = "<source>") -> list[Mutant]:
    """Every single change of a source, in the order of the text; some may not compile."""
    starts, found = [0], {}
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    called = {
        id(inner)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in (function, *ast.walk(function))
    }
    for statement, node, kind, after in _changes(tree):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        lines = statement.lineno, _last_line(statement)
        before = source.encode()[begin:end].decode()
        once = id(statement) not in called
        found[begin, end, after] = Mutant(path, node.lineno, lines, kind, before, after, (begin, end), once)
    return list(found.values())


def _apart(before: str, after: str, *, room: int = 24) -> tuple[str, str]:
    """Both without most of what they share at their ends."""
    if after.startswith("(") and not before.startswith("("):
        after = after[1:-1]
    alike = [one == other for one, other in zip(before, after, strict=False)]
    head = alike.index(False) if False in alike else len(alike)
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    cut, keep = max(0, head - room), max(0, tail - room)
    dots = "..." if cut else ""
    shown = (f"{dots}{part[cut : len(part) - keep]}{'...' if keep else ''}" for part in (before, after))
    first, second = shown
    return first, second


def _last_line(statement: ast.stmt) -> int:
    """The last line of a statement; of a block, of its head. A function's head counts with its body."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return statement.end_lineno or statement.lineno
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    first = body[0] if body else None
    if first is None:
        return statement.end_lineno or statement.lineno
    line = first.pattern.lineno if isinstance(first, ast.match_case) else first.lineno
    return max(statement.lineno, line - 1)


def _changes(tree: ast.Module) -> Iterator[tuple[ast.stmt, ast.AST, str, str]]:
    """(statement, node, kind of change, the node's new text)."""
    for statement in _statements(tree):
        for kind, after in _of_statement(statement):
            yield statement, statement, kind, after
        if isinstance(statement, ast.If | ast.While) and not isinstance(statement.test, ast.Compare | ast.UnaryOp):
            yield statement, statement.test, "negated", f"(not ({ast.unparse(statement.test)}))"
        for node in _expressions(statement):
            for kind, changed in _of_expression(node):
                try:
                    yield statement, node, kind, f"({ast.unparse(changed)})"
                except ValueError:  # a string within a string that this Python cannot write
                    continue


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Statements worth a change, those of nested blocks too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name in ("__repr__", "__str__"):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from _statements(child)


def _of_statement(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    match statement:
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
            yield "removed", "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield "removed", "pass"
        case ast.Return(value=ast.expr() as value) if not _is(value, None):
            yield "return", "return None"
        case ast.Return(value=None):
            yield "removed", "pass"


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Expressions of a statement itself: no nested statement, annotation, decorator, docstring or f-string."""
    if isinstance(statement, SILENT):
        return
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return
    skipped = {"annotation", "returns", "decorator_list", "bases", "keywords", "type_params"}
    skipped = skipped if isinstance(statement, ast.stmt) else set()
    for field, value in ast.iter_fields(statement):
        for child in value if isinstance(value, list) else [value]:
            if field not in skipped and isinstance(child, ast.AST) and not isinstance(child, ast.stmt):
                yield from _below(child)


def _below(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, (*SILENT, ast.arg)) or _is_words(node):
        return
    if isinstance(node, ast.expr):
        yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from _below(child)


def _is_words(node: ast.AST) -> bool:
    """Whether the node only tells something, or asserts it: a description, a type variable, zip's `strict`.

    An `encoding` left out is UTF-8 all the same where the tests run.
    """
    if isinstance(node, ast.keyword):
        return node.arg in WORDS
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in ("TypeVar", "cast")


def _of_expression(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp():
            yield "and/or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for place in range(len(node.values)):
                rest = [*node.values[:place], *node.values[place + 1 :]]
                yield "dropped", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield "dropped sign", node.operand
        case ast.BinOp() if type(node.op) in SWITCHED and not _is_words_sum(node):
            yield "arithmetic", ast.BinOp(node.left, SWITCHED[type(node.op)](), node.right)
        case ast.Constant():
            yield from _valued(node)
        case ast.IfExp():
            yield "branches", ast.IfExp(node.test, node.orelse, node.body)
        case ast.Call():
            yield from _called(node)


def _compared(node: ast.Compare) -> Iterator[tuple[str, ast.expr]]:
    for place, operator in enumerate(node.ops):
        for table in (FLIPPED, TURNED):
            if type(operator) in table:
                changed = deepcopy(node)
                changed.ops[place] = table[type(operator)]()
                yield "comparison", changed
    for place, side in enumerate((node.left, *node.comparators)):
        if isinstance(side, ast.Constant) and isinstance(side.value, str):
            changed = deepcopy(node)
            other = ast.Constant(side.value + "~")
            if place:
                changed.comparators[place - 1] = other
            else:
                changed.left = other
            yield "text", changed


def _valued(node: ast.Constant) -> Iterator[tuple[str, ast.expr]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", ast.Constant(value + 1 if value < LARGE else 2 * value)
        if value > 0:
            yield "constant", ast.Constant(value - 1 if value < LARGE else value // 2)
    elif isinstance(value, float) and math.isfinite(value):
        yield "constant", ast.Constant(value * 2 if value else 1.0)


def _called(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    plain = len(node.args) >= 2 and not any(isinstance(argument, ast.Starred) for argument in node.args)
    if plain and name not in COMMUTATIVE and ast.dump(node.args[0]) != ast.dump(node.args[1]):
        yield "swapped", ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
    for place, keyword in enumerate(node.keywords):
        if keyword.arg and not _is_words(keyword):
            yield "dropped", ast.Call(node.func, node.args, [*node.keywords[:place], *node.keywords[place + 1 :]])
    if name in RENAMED:
        changed = deepcopy(node)
        if isinstance(changed.func, ast.Attribute):
            changed.func.attr = RENAMED[name]
        else:
            changed.func = ast.Name(RENAMED[name], ast.Load())
        yield "function", changed


def _is_words_sum(node: ast.BinOp) -> bool:
    """Whether a sum joins texts, or a union joins types: changed, it could only be an error at once."""
    sides = node.left, node.right
    return any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in sides)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
