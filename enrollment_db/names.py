"""The rules for names."""

from __future__ import annotations

import unicodedata

from enrollment_db.errors import BadName, BadTemplate

MAX_LENGTH = 200

# Controls, lone surrogates, line and paragraph separators.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Marks that reorder the text around them: they can make one name look like another.
_FORBIDDEN_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def clean_name(name: str) -> str:
    """The form under which a name is stored and looked up: NFC, without white space around it.

    Raises BadName if the name is empty, longer than 200 characters, or contains a control character.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise BadName("the name is empty", remedy="empty_name")
    if len(cleaned) > MAX_LENGTH:
        raise BadName(
            f"the name has {len(cleaned)} characters ({cleaned[:20]}...)",
            remedy="long_name",
            most=MAX_LENGTH,
        )
    for character in cleaned:
        if (
            unicodedata.category(character) in _FORBIDDEN_CATEGORIES
            or unicodedata.bidirectional(character) in _FORBIDDEN_DIRECTIONS
        ):
            raise BadName(
                f"the name {cleaned[:40]!a} holds the control character U+{ord(character):04X}",
                remedy="control_characters",
            )
    return cleaned


def check_detector(name: str | None) -> str | None:
    """The name of a detector, as it is stored: by the rules for names, as `clean_name` leaves them; None for none.

    Raises BadTemplate.
    """
    try:
        if name is None or clean_name(name) == name:
            return name
    except BadName as error:
        raise BadTemplate(f"of a detector, {error}", remedy="name_of_detector") from error
    raise BadTemplate(f"{name[:40]!a} is no name of a detector", remedy="name_of_detector")
