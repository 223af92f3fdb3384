"""The JSON-LD context of `croissant.json`: the one that Croissant 1.1 recommends (its appendix 1), with `rai`."""

from __future__ import annotations

from typing import Any

_TERMS = (
    "arrayShape citeAs column containedIn equivalentProperty extract field fileProperty fileObject fileSet format "
    "includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
).split()

CONTEXT: dict[str, Any] = dict(
    sorted(
        {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "dct": "http://purl.org/dc/terms/",
            "rai": "http://mlcommons.org/croissant/RAI/",
            "sc": "https://schema.org/",
            "conformsTo": "dct:conformsTo",
            "data": {"@id": "cr:data", "@type": "@json"},
            "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
            "description": {"@container": "@language"},
            "examples": {"@id": "cr:examples", "@type": "@json"},
            "name": {"@container": "@language"},
            **{term: f"cr:{term}" for term in _TERMS},
        }.items()
    )
)
