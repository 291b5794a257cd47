"""Pages that need nothing else: style, script and pictures inside, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files

from faceid.evaluation.report.markup import Html, text


def page(title: str, body: Html, *, style: str, script: str | None = None, data: object = None) -> bytes:
    """A page with a title, the `style` and `script` of this room by name, and `data` for the script, UTF-8.

    Its content security policy names the hashes of the style and the script: nothing that a name or a path smuggles
    in would run, and nothing is fetched.
    """
    css = _resource(style)
    code = "" if script is None else _resource(script)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; base-uri 'none'; form-action 'none'"
        + (f"; script-src '{_digest(code)}'" if code else "")
    )
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{css}</style></head>\n"
        f"<body><main><h1>{text(title)}</h1>\n{body}</main>\n"
    ]
    if code:
        parts.append(f'<script type="application/json" id="data">{_embedded(data)}</script>\n')
        parts.append(f"<script>{code}</script>\n")
    parts.append("</body></html>\n")
    return "".join(parts).encode("utf-8", "backslashreplace")


def image(jpeg: bytes | None, alt: str, side: int) -> Html:
    """A thumbnail, or a box that says that there is none."""
    if jpeg is None:
        return Html('<span class="no-photo">no photo</span>')
    return Html(
        f'<img src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode("ascii")}" alt="{text(alt)}"'
        f' width="{side}" height="{side}">'
    )


def _embedded(data: object) -> str:
    # `<` and `&` cannot end the element or begin another within it.
    plain = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return plain.replace("<", "\\u003c").replace("&", "\\u0026")


def _resource(name: str) -> str:
    return (files("faceid.explore") / name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode('ascii')}"
