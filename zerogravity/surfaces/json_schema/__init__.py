"""JSON Schema → Google's schemas, by one verb: ``convert``.

The path of a schema: ``walk`` goes through it, node by node, with type words read by ``json_types``, references and
``allOf`` put together by ``merge``, keywords written in one of Google's two ``dialects``; what cannot be expressed is
in ``Converted.lost``, which ``noted`` puts into words.
"""

from zerogravity.surfaces.json_schema.dialects import JSON, PROTO
from zerogravity.surfaces.json_schema.walk import Converted, convert, noted

__all__ = ["JSON", "PROTO", "Converted", "convert", "noted"]
