"""What several of scheduling's schemas are made of."""

from datetime import time
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

#: A day of the week: 0 is Monday, 6 is Sunday.
WEEKDAY = validate.Range(min=0, max=6)


def described(text: str) -> dict[str, Any]:
    """Return a field's metadata, which says what it means."""
    return {"description": text}


class LocalTime(fields.Field[time]):
    """A time of day on the clocks of the site, as HH:MM."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value.isoformat("minutes"))

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> time:
        try:
            found = time.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValidationError("Not a valid time of day: HH:MM is needed.") from None
        if found.tzinfo is not None or found.second or found.microsecond:
            raise ValidationError("A time of day is HH:MM, without seconds and offset.")
        return found


class Page(Schema):
    """A question that is answered in pages."""

    after = fields.String(
        validate=validate.Length(max=100), metadata=described("The cursor that the page before ended with.")
    )
    limit = fields.Integer(
        load_default=100,
        validate=validate.Range(min=1, max=500),
        metadata=described("Most items of a page."),
    )
