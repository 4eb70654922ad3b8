"""How Litestar reads the API's bodies by their own decoder, and how the OpenAPI document describes them."""

from typing import Any, ClassVar

import msgspec
from litestar.dto import AbstractDTO
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.typing import FieldDefinition

from bot.http.bodies import (
    AuthorizationBody,
    CaptureBody,
    ExtendBody,
    Id,
    OneOrMany,
    read_body,
    read_usage,
)


class _Reader(AbstractDTO[Any]):
    """Reads a body by its shape alone, and describes it by that shape."""

    shape: ClassVar[Any]

    def decode_bytes(self, value: bytes) -> Any:
        """Read a body."""
        return read_body(value, self.shape)

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        """Read whatever the handler names."""
        return True

    @classmethod
    def create_for_field_definition(cls, *args: Any, **more: Any) -> None:
        """Make nothing: the shape is decoded as it is."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Any:
        """Describe the shape."""
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(cls.shape))


class UsageReader(_Reader):
    """Reads one usage or a batch."""

    shape = OneOrMany

    def decode_bytes(self, value: bytes) -> Any:
        """Read the items."""
        return read_usage(value)


class AuthorizationReader(_Reader):
    """Reads a question whether work may start."""

    shape = AuthorizationBody


class CaptureReader(_Reader):
    """Reads a real cost."""

    shape = CaptureBody


class ExtendReader(_Reader):
    """Reads a wish for more time."""

    shape = ExtendBody


class BodiesRenderPlugin(JsonRenderPlugin):
    """Serves the OpenAPI document with the bodies as the decoder itself describes them: the framework leaves out zeros,
    the bounds of a list, and the limits of an id in a path.
    """

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """Give the document."""
        return super().render(request, _with_bodies(openapi_schema))


def _with_bodies(document: dict[str, Any]) -> dict[str, Any]:
    shapes = (OneOrMany, Id, AuthorizationBody, CaptureBody, ExtendBody)
    (usage, one_id, *_), parts = msgspec.json.schema_components(
        shapes, ref_template="#/components/schemas/{name}"
    )
    document["components"]["schemas"] |= parts
    for path, item in document["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] == "hold_id":
                    parameter["schema"] = one_id
            if path == "/v1/usage":
                operation["requestBody"]["content"]["application/json"]["schema"] = usage
    return document
