"""Words for the threshold that decided, its error rates, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from faceid.cli._render import Output, counted
from faceid.results import GalleryRates, PolicyReport, PolicyState

TARGETS: Final = {"fmr": "FMR", "fmr_alike": "FMR among alike", "fpir": "FPIR"}
"""The kinds of target, in the words of the command line."""

_MEASURED: Final = {
    "gallery": "`faceid calibrate`, on ",
    "models calibrate": "`faceid models calibrate`, on ",
    "card": "the network's card, on ",
    None: "",
}


def tell_threshold(output: Output, policy: PolicyState, *, indent: int = 0) -> None:
    """Print the threshold with what it is for and what it misses, then its FMR with the people for whom it holds."""
    for line in threshold_lines(policy):
        output.line(" " * indent + line)


def threshold_lines(policy: PolicyState) -> tuple[str, str]:
    """The two lines of `tell_threshold`. `faceid policy show` gives the origin of the rates."""
    raised = policy.card_threshold is not None and policy.threshold < policy.card_threshold
    threshold = f"threshold {policy.threshold:.3f}"
    if raised:
        threshold += f", not the card's {policy.card_threshold:.3f},"
    threshold += (
        " by hand" if policy.kind == "threshold" else f" for {TARGETS[policy.kind]} {policy.target:g}"
    )
    searched = ""
    if policy.identities is not None:
        searched = f" with {counted(policy.identities, 'identity', 'identities')}"
    if policy.fmr is None:
        return threshold + searched, "no error rates: the network has no calibration"
    price = []
    reached = {"fmr": policy.fmr, "fmr_alike": policy.fmr_alike, "fpir": policy.fpir}.get(policy.kind)
    if not policy.held and reached is not None:
        price.append(f"reaches only {reached:.2g}")
    if policy.kind == "fpir" or policy.fpir is None:
        threshold += searched
    else:
        price.append(f"FPIR {policy.fpir:.2g}{searched}")
    rates = f"FMR {policy.fmr:.2g}"
    if policy.fmr_alike is not None:
        rates += f", among alike {policy.fmr_alike:.2g}"
    if raised:
        rates += ", in this gallery"
    elif policy.population is not None:
        # What follows the first clause is provenance.
        rates += f", for {policy.population.partition(', ')[0]}"
    if policy.miss_rate is not None:
        missed = f"misses {policy.miss_rate:.1%} of photos"
        # The first line of a raised threshold has no room for it.
        if raised:
            rates = f"{missed}; {rates}"
        else:
            price.append(missed)
    return f"{threshold}: {', '.join(price)}" if price else threshold, rates


def tell_policies(output: Output, reports: Iterable[PolicyReport]) -> None:
    """Print the policies with the origin of their rates; an origin that they share is printed once."""
    told: set[str] = set()
    for report in reports:
        output.emit(report)
        command = "verify, compare" if report.decides == "verify" else "identify"
        if report.policy is None:
            output.line(f"{command}: no threshold")
            if report.problem is not None:
                output.problem(report.problem, command)
            continue
        stored = f"policy {report.policy.policy_id}, active since {report.since}"
        output.line(f"{command}: {stored if report.policy.source == 'gallery' else 'the default'}")
        tell_threshold(output, report.policy, indent=2)
        for interval, origin in _measured(report):
            output.paragraph(f"{interval}: as above" if origin in told else f"{interval}: {origin}", indent=2)
            told.add(origin)
        if report.gallery is not None and (said := _of_gallery(report.gallery)) not in told:
            output.paragraph(said, indent=2)
            told.add(said)
        output.line(f"  {report.model}")


def _measured(report: PolicyReport) -> Iterable[tuple[str, str]]:
    """The intervals of FMR and of FMR among alike, each with its origin."""
    if report.data is not None:
        yield (
            f"FMR {report.fmr_low:.2e} .. {report.fmr_high:.2e} (95 %)",
            f"{_MEASURED[report.calibration]}{report.data}:"
            f" {report.mated:,} mated and {report.non_mated:,} non-mated comparisons, {report.measured_at},"
            f" {report.software}",
        )
    if (alike := report.alike) is not None:
        yield (
            f"FMR among alike {alike.fmr_low:.2e} .. {alike.fmr_high:.2e} (95 %, over people)",
            f"{alike.population}; {alike.data}: {alike.non_mated:,} non-mated comparisons of {alike.people:,} people,"
            f" {alike.measured_at}, {alike.software}",
        )


def similar_people(rates: GalleryRates) -> str:
    """What the people of a gallery say about the card's rates, where they raise them."""
    return (
        f"of {rates.comparisons:,} comparisons between {rates.people:,} people {100 * rates.observed:.2g} % are as near"
        f" as {100 * rates.stated:g} % are by the card (at least {100 * rates.low:.2g} %, by the interval over people)"
    )


def _of_gallery(rates: GalleryRates) -> str:
    """What the people of the gallery say about the card's rates."""
    if not rates.raises:
        return (
            f"this gallery: {rates.comparisons:,} comparisons between {rates.people:,} people show no more false"
            " matches than the card says"
        )
    return (
        f"this gallery: {similar_people(rates)}, so its thresholds are stricter than the card's; `faceid calibrate` on"
        " photos of your own people replaces the card's rates"
    )
