"""The fields that the schemas of intake are made of."""

import functools
import unicodedata
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from services.intake import teds
from shared.instruments import all_packs
from shared.schema_fields import Id, Moment

#: States and territories.
_STATES = (*teds.STATES.values(), "PR", "VI", "GU", "AS", "MP", "FM", "MH", "PW")

#: Longest free text, in characters. Design default.
LONGEST_TEXT = 4000
#: The most items that an instrument can have. Design default.
MOST_ITEMS = 100


def _readable(text: str) -> None:
    """Refuse control characters, which a database or a page cannot hold."""
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in text):
        raise ValidationError("May not contain control characters.")


def text_field(description: str, *, longest: int = LONGEST_TEXT, **options: Any) -> fields.String:
    """Return a field for readable text."""
    rules: list[Any] = [validate.Length(min=1, max=longest), _readable]
    return fields.String(validate=rules, metadata={"description": description}, **options)


def code_field(description: str, allowed: Any, **options: Any) -> fields.String:
    """Return a field for one of some codes."""
    return fields.String(
        validate=validate.OneOf(tuple(allowed)), metadata={"description": description}, **options
    )


def number_field(description: str, least: int, most: int, **options: Any) -> fields.Integer:
    """Return a field for a whole number within bounds."""
    return fields.Integer(
        strict=True,
        validate=validate.Range(min=least, max=most),
        metadata={"description": description},
        **options,
    )


def flag_field(description: str, **options: Any) -> fields.Boolean:
    """Return a field for yes or no; no when left out."""
    options = {"load_default": False} | options
    return fields.Boolean(metadata={"description": description}, **options)


def id_field(description: str, *, required: bool = True, **options: Any) -> Id:
    """Return a field for an id."""
    return Id(required=required, metadata={"description": description}, **options)


def moment_field(description: str, **options: Any) -> Moment:
    """Return a field for a moment."""
    return Moment(metadata={"description": description}, **options)


def clock_field(description: str, **options: Any) -> fields.String:
    """Return a field for a time on the clock, in hours and minutes."""
    rule = validate.Regexp(r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z", error="Not a time like 08:30.")
    return fields.String(validate=rule, metadata={"description": description}, **options)


#: What a telephone number looks like.
PHONE_NUMBER = validate.Regexp(r"^\+?\(?[0-9][0-9 ()./-]{4,30}\Z", error="Not a valid telephone number.")
#: What a language is called.
LANGUAGE_CODE = validate.Regexp(r"^[A-Z]{2,3}\Z", error="A code of ISO 639 in capitals, e.g. ES.")


def phone_field(description: str, **options: Any) -> fields.String:
    """Return a field for a telephone number."""
    return fields.String(validate=PHONE_NUMBER, metadata={"description": description}, **options)


def language_field(description: str, **options: Any) -> fields.String:
    """Return a field for a language, by its code of ISO 639."""
    return fields.String(validate=LANGUAGE_CODE, metadata={"description": description}, **options)


def day_field(description: str, **options: Any) -> fields.Date:
    """Return a field for a calendar day."""
    return fields.Date(metadata={"description": description}, **options)


def state_field(description: str, **options: Any) -> fields.String:
    """Return a field for a state or territory by its two letters."""
    return code_field(description, _STATES, **options)


def zip_code_field(description: str, **options: Any) -> fields.String:
    """Return a field for a ZIP code."""
    rule = validate.Regexp(r"^[0-9]{5}(-[0-9]{4})?\Z", error="Five digits, or nine with a hyphen.")
    return fields.String(validate=rule, metadata={"description": description}, **options)


def degrees_field(description: str, most: int, **options: Any) -> fields.Float:
    """Return a field for degrees of latitude or longitude."""
    return fields.Float(
        validate=validate.Range(min=-most, max=most), metadata={"description": description}, **options
    )


class ItemAnswers(fields.Dict):
    """The answer to each item of an instrument by its id: a whole number, or null where one was left out.

    Refused answers are named by their item. A key that is no item of any instrument is the caller's own text
    and is not repeated.
    """

    def __init__(self) -> None:
        super().__init__(
            keys=fields.String(),
            values=fields.Integer(strict=True, allow_none=True),
            required=True,
            validate=validate.Length(min=1, max=MOST_ITEMS),
            metadata={"description": "The answer to each item by its id; null where one was left out."},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            refused = {key: told["value"] for key, told in error.messages.items() if key in _item_ids()}
            if len(refused) < len(error.messages):
                refused["_schema"] = ["A whole number, or null, for each item."]
            raise ValidationError(refused) from None


@functools.cache
def _item_ids() -> frozenset[str]:
    return frozenset(item for packs in all_packs().values() for pack in packs for item in pack.items)


class Page(Schema):
    """A list that goes on page by page."""

    after = id_field(
        "Where the list goes on: `next` of the page before.",
        required=False,
        allow_none=True,
        load_default=None,
    )
    limit = fields.Integer(
        load_default=50, validate=validate.Range(min=1, max=200), metadata={"description": "Most items."}
    )
