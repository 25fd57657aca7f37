"""Frozen values that are stored as JSON: each key typed, and a file of any version written again as it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

Count = Annotated[int, Field(ge=0)]
Texts = Annotated[Sequence[str], AfterValidator(tuple)]


class JsonRecord(BaseModel):
    """A frozen value with a default for every key that older files lack; unknown keys are kept.

    `to_json` writes the keys that were given, so that reading and writing change nothing.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @classmethod
    def from_json(cls, found: object) -> Self:
        """Return the value of a JSON document. Raises `ValueError` with the key that does not fit, on one line."""
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise ValueError(fault_of(error)) from error

    def to_json(self) -> dict[str, Any]:
        """Return plain dictionaries, lists and values."""
        # Not pydantic's own dump: its JSON mode replaces file names that are not UTF-8.
        return {name: _plain(value) for name, value in self if self.states(name)}

    def states(self, key: str) -> bool:
        """Return whether the key was given; otherwise its value is the default."""
        return key in self.model_fields_set


def fault_of(error: ValidationError) -> str:
    """Return the first fault on one line: the key, and what is wrong with it."""
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg'].lower()}"


def _plain(value: object) -> Any:
    if isinstance(value, JsonRecord):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
