"""The marshmallow fields that every service's schemas use."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from marshmallow import ValidationError, fields


class Id(fields.String):
    """A UUID, kept as a string in its one canonical form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return str(UUID(text))
        except ValueError:
            raise ValidationError("Not a valid UUID.") from None


class Moment(fields.Field[datetime]):
    """A moment: RFC 3339 with an offset on the way in, an aware datetime in UTC within."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        return str(value.astimezone(UTC).isoformat()).replace("+00:00", "Z")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str):
            raise ValidationError("Not a valid moment: RFC 3339 with an offset is needed.")
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValidationError("A moment needs its offset from UTC.")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("Not a valid moment: RFC 3339 with an offset is needed.") from None
