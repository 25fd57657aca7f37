"""Conditions on videos, as `--where "path like '%party%' and duration > 1m"`: read, and written out again.

    condition   = both ("or" both)*
    both        = single ("and" single)*
    single      = "not" single | "(" condition ")" | name operator value

Names, operators and values are described in `filter_values`; `filter_sql` makes SQL of a condition.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NoReturn

from fdakit.errors import FdakitError

from .filter_values import COLUMNS, Value, ValueFault, format_value, read_value

_DEEPEST = 32
_MOST = 500
_LONGEST = 20_000
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<operator>==|!=|<>|<=|>=|[=<>])
    |(?P<bracket>[()])
    |(?P<word>[^\s()'"=<>!]+)
    |(?P<odd>\S))""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "not", "like", "glob"})
_SAME = {"==": "=", "<>": "!="}


@dataclass(frozen=True)
class Comparison:
    """A name, an operator and a value: text, a number, or a date as text."""

    name: str
    operator: str
    value: Value

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {format_value(self.name, self.value)}"


@dataclass(frozen=True)
class Not:
    """What a condition rules out."""

    term: Condition

    def __str__(self) -> str:
        return f"not {_bracketed(self.term, And, Or)}"


@dataclass(frozen=True)
class And:
    """All of two or more conditions."""

    terms: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(_bracketed(term, And, Or) for term in self.terms)


@dataclass(frozen=True)
class Or:
    """Any of two or more conditions."""

    terms: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(_bracketed(term, Or) for term in self.terms)


Condition = Comparison | Not | And | Or


def _bracketed(term: Condition, *kinds: type[Condition]) -> str:
    return f"({term})" if isinstance(term, kinds) else str(term)


def parse_filter(text: str) -> Condition:
    """Return the condition that a text states; `str` of it is a text that states the same.

    Raises `FdakitError` that shows the place of a fault, with the known names.
    """
    return _Parser(text).parse()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int

    @property
    def keyword(self) -> str:
        """The keyword that it is, or ""."""
        lower = self.text.lower()
        return lower if self.kind == "word" and lower in _KEYWORDS else ""


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._place, self._depth = text, 0, 0
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise FdakitError(f"the condition {text!r} is not UTF-8, so that no video can fit it") from error
        if len(text) > _LONGEST:
            raise FdakitError(f"a condition of {len(text):,} characters; at most {_LONGEST:,} are read")
        self._tokens = self._split()
        if len(self._tokens) == 1:
            self._refuse(self._tokens[0], "the condition is empty")
        if sum(token.kind == "operator" or token.keyword in ("like", "glob") for token in self._tokens) > _MOST:
            raise FdakitError(f"a condition of more than {_MOST} comparisons; use fewer, as by a pattern")

    def parse(self) -> Condition:
        found = self._any_of()
        token = self._next()
        if token.kind != "end":
            self._refuse(token, "'and', 'or' or the end was expected")
        return found

    def _any_of(self) -> Condition:
        terms = [self._all_of()]
        while self._taken("or"):
            terms.append(self._all_of())
        return Or(tuple(terms)) if len(terms) > 1 else terms[0]

    def _all_of(self) -> Condition:
        terms = [self._single()]
        while self._taken("and"):
            terms.append(self._single())
        return And(tuple(terms)) if len(terms) > 1 else terms[0]

    def _single(self) -> Condition:
        token = self._tokens[self._place]
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse(token, f"nested more than {_DEEPEST} deep")
        if self._taken("not"):
            found: Condition = Not(self._single())
        elif token.text == "(" and token.kind == "bracket":
            self._place += 1
            found = self._any_of()
            closing = self._next()
            if closing.kind != "bracket" or closing.text != ")":
                self._refuse(closing, "')' was expected")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> Condition:
        token = self._next()
        name = token.text.lower()
        if token.kind != "word" or token.keyword or name not in COLUMNS:
            self._refuse(token, "a name was expected" if token.kind != "word" else f"{token.text!r} is no name")
        negated = self._taken("not")
        operator = self._operator(name, negated=negated)
        value = self._next()
        if value.kind not in ("word", "string") or value.keyword:
            self._refuse(value, f"{COLUMNS[name].expected} was expected")
        try:
            found = Comparison(name, operator, read_value(name, _unquoted(value)))
        except ValueFault as fault:
            self._refuse(value, str(fault))
        return Not(found) if negated else found

    def _operator(self, name: str, *, negated: bool) -> str:
        token = self._next()
        operator = _SAME.get(token.text, token.text) if token.kind == "operator" else token.keyword
        known = [one for one in COLUMNS[name].operators if not negated or one in ("like", "glob")]
        if operator not in known:
            self._refuse(token, f"after {name!r} one of these was expected: {' '.join(known) or 'no not'}")
        return operator

    def _taken(self, keyword: str) -> bool:
        """Pass over a keyword if it is next."""
        taken = self._tokens[self._place].keyword == keyword
        self._place += taken
        return taken

    def _next(self) -> _Token:
        token = self._tokens[self._place]
        self._place += token.kind != "end"
        return token

    def _split(self) -> list[_Token]:
        tokens, place = [], 0
        end = len(self._text.rstrip())
        while place < end:
            match = _TOKEN.match(self._text, place)
            assert match is not None and match.lastgroup is not None
            token = _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
            if token.kind == "odd":
                self._refuse(token, "this quote is never closed" if token.text in "'\"" else "not understood")
            tokens.append(token)
            place = match.end()
        return [*tokens, _Token("end", "", end)]

    def _refuse(self, token: _Token, said: str) -> NoReturn:
        """Raise an error that shows the text with a caret below the token."""
        shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in self._text)
        wide = sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in shown[: token.place])
        names = ", ".join(COLUMNS)
        raise FdakitError(
            f"the condition cannot be read: {said}\n  {shown}\n  {' ' * wide}{'^' * max(1, len(token.text))}\n"
            f"names: {names}; for example: path like '%party%' and duration > 1m"
        )


def _unquoted(token: _Token) -> str:
    if token.kind != "string":
        return token.text
    quote = token.text[0]
    return token.text[1:-1].replace(quote * 2, quote)
