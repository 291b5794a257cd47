"""Makes self-contained pages: Jinja2 templates with autoescape, and an inline style sheet and script.

Jinja2 escapes all text. A content security policy names the hashes of the style sheet and the script, so markup in a
name or a path can neither run nor fetch anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from faceid.evaluation.report import numbers

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

# Characters that HTML does not allow in text, and halves of surrogate pairs, which a file name may contain.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_HERE = "faceid.evaluation.report"
_FILTERS = {
    format_.__name__: format_
    for format_ in (
        *(numbers.rate, numbers.between, numbers.times, numbers.one_in),
        *(numbers.distance, numbers.number, numbers.thousands),
    )
}


def render(
    package: str, template: str, values: Mapping[str, object], *, style: str, script: str | None = None
) -> str:
    """The page that `template` of `package` makes from `values`.

    `template`, `style` and `script` are files in the folder `templates` of `package`. A template may also use
    `base.html` and `macros.html` of this package. The result is one document without references to other files. Raises
    jinja2.UndefinedError if a value is missing.
    """
    from markupsafe import Markup

    css = _source(package, style)
    code = "" if script is None else _source(package, script)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; base-uri 'none'; form-action 'none'"
        + (f"; script-src '{_digest(code)}'" if code else "")
    )
    page = _environment(package).get_template(template)
    # Style and script come from files of the package, never from data: they need no escaping.
    return page.render(values, policy=Markup(policy), style=Markup(css), script=Markup(code))


def escaped(value: object) -> Markup:
    """`value` as templates print it: HTML text that is safe in an attribute too."""
    from markupsafe import escape

    return escape(_clean(value))


def jpeg_address(jpeg: bytes) -> str:
    """A JPEG as a `data:` address."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, _HERE))]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(_FILTERS, jpeg_address=jpeg_address)
    found.policies["json.dumps_kwargs"] = {
        "ensure_ascii": True,
        "allow_nan": False,
        "separators": (",", ":"),
    }
    return found


def _clean(value: object) -> object:
    """Text without the characters that HTML does not allow; any other value as it is."""
    if not isinstance(value, str):
        return value
    clean = _NO_TEXT.sub("\ufffd", value)
    # Markup stays markup.
    return type(value)(clean) if hasattr(value, "__html__") else clean


def _source(package: str, name: str) -> str:
    return (files(package) / "templates" / name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode('ascii')}"
