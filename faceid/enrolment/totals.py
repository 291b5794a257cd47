"""Counts what an enrolment did: photos by outcome, and the people who end up without a template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from faceid.errors import LOOSE_PHOTO
from faceid.results import AlreadyEnrolled, EnrollResult, EnrollSummary

WITH_TEMPLATE = ("enrolled", "duplicate")
"""The outcomes after which the person has a template that searches find."""


class EnrolmentTotals:
    """Outcomes so far, for one photo or a million: of people without a template it keeps the reasons."""

    def __init__(self) -> None:
        self.photos: Counter[tuple[str, str | None]] = Counter()
        """Photos by status and reason."""
        self.already_enrolled: list[AlreadyEnrolled] = []
        self._with_template: set[str] = set()
        self._without: dict[str, Counter[str]] = {}
        self._loose = 0

    def add(self, result: EnrollResult) -> None:
        """Count the outcome of one more photo."""
        self.photos[result.status, result.reason] += 1
        if result.problem is not None and result.problem.code == LOOSE_PHOTO:
            self._loose += 1
        if not result.name or result.name in self._with_template:
            return
        if result.status in WITH_TEMPLATE:
            self._with_template.add(result.name)
            self._without.pop(result.name, None)
        else:
            why = _why(result)
            self._without.setdefault(result.name, Counter())[why] += 1

    def of(self, status: str) -> int:
        """Photos with this status."""
        return sum(count for (found, _), count in self.photos.items() if found == status)

    def summary(
        self,
        templates_of: Callable[[str | None], int],
        *,
        name: str | None = None,
        loose: int | None = None,
    ) -> EnrollSummary:
        """The totals, after the last photo.

        `templates_of` gives the number of templates of a person, and of the whole gallery for None. `name` is the
        person where only one was enrolled. `loose` counts the photos beside the people's folders that were not in the
        stream; None where there are no such folders.
        """
        # A person whose new photos are all refused may be enrolled from before.
        without = {who: why for who, why in sorted(self._without.items()) if not templates_of(who)}
        people = len(self._with_template) + len(self._without)
        reasons = Counter(why.most_common(1)[0][0] for why in without.values())
        return EnrollSummary(
            name=name,
            enrolled=self.of("enrolled"),
            skipped=self.of("duplicate"),
            failed=self.of("rejected"),
            templates=templates_of(name),
            already_enrolled=tuple(self.already_enrolled),
            unconfirmed=self.of("unconfirmed"),
            people_enrolled=people - len(without),
            people_without_template=tuple(without),
            reasons_without_template=dict(reasons.most_common()),
            loose_photos=None if loose is None else loose + self._loose,
        )


def _why(result: EnrollResult) -> str:
    """Why a photo gave no template, in one word. A folder without a picture says so."""
    if result.problem is not None and result.reason == "unreadable":
        return result.problem.code
    return result.reason or result.status
