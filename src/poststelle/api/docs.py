"""The API for people: one page made from the OpenAPI document, without scripts and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Property:
    """A parameter or field as the page shows it. `place` is where a parameter stands, `shape` the schema a type leads to."""

    name: str
    type: str
    shape: str
    required: bool
    place: str
    description: str


@require_safe
def page(_request: HttpRequest, api: NinjaAPI) -> HttpResponse:
    """Operations, parameters, bodies, answers, shapes."""
    schema = api.get_openapi_schema(path_prefix="/api/v1/")
    shapes = schema["components"]["schemas"]
    context = {
        "info": schema["info"],
        "operations": list(_operations(schema["paths"])),
        "shapes": [
            {"name": name, "description": shape.get("description", ""), "properties": list(_properties(shape))}
            for name, shape in sorted(shapes.items())
        ],
    }
    engine = Engine(dirs=[str(_HERE)], autoescape=True)
    return HttpResponse(engine.get_template("docs.html").render(Context(context)))


@require_safe
def style(_request: HttpRequest) -> HttpResponse:
    """The page's style sheet."""
    return HttpResponse((_HERE / "docs.css").read_bytes(), content_type="text/css; charset=utf-8")


def _operations(paths: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {})
            yield {
                "id": operation["operationId"],
                "method": method.upper(),
                "path": path,
                "summary": operation.get("summary", ""),
                "description": operation.get("description", ""),
                "parameters": [_parameter(parameter) for parameter in operation.get("parameters", [])],
                "body": [_type(media["schema"]) for media in body.values()],
                "answers": [
                    {
                        "status": status,
                        "description": answer.get("description", ""),
                        "types": [(kind, *_type(media["schema"])) for kind, media in answer.get("content", {}).items()],
                    }
                    for status, answer in operation["responses"].items()
                ],
            }


def _parameter(parameter: Mapping[str, Any]) -> Property:
    text, shape = _type(parameter["schema"])
    description = parameter.get("description") or parameter["schema"].get("description", "")
    return Property(parameter["name"], text, shape, parameter.get("required", False), parameter["in"], description)


def _properties(shape: Mapping[str, Any]) -> Iterator[Property]:
    for name, schema in shape.get("properties", {}).items():
        text, target = _type(schema)
        yield Property(name, text, target, name in shape.get("required", ()), "", schema.get("description", ""))


def _type(schema: Mapping[str, Any]) -> tuple[str, str]:
    """How a type reads, and the shape it leads to ("" for none)."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name, name
    if "anyOf" in schema:
        read = [_type(one) for one in schema["anyOf"]]
        return " or ".join(text for text, _ in read), next((shape for _, shape in read if shape), "")
    if "enum" in schema:
        return " · ".join(str(value) for value in schema["enum"]), ""
    if "const" in schema:
        return str(schema["const"]), ""
    if schema.get("type") == "array":
        text, shape = _type(schema.get("items", {}))
        return f"list of {text}", shape
    return str(schema.get("format") or schema.get("title" if "properties" in schema else "type", "any")), ""
