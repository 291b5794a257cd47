"""What every page promises, whatever template makes it."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from faceid.evaluation.report.page import escaped, render
from faceid.evaluation.report.render import to_html
from faceid.evaluation.report.template_values import values_of
from html_check import Page
from sample_findings import SAMPLE


def test_a_policy_lets_only_the_style_sheet_of_the_page_in() -> None:
    source = to_html(SAMPLE)
    (policy,) = (tag["content"] for tag in Page(source).all("meta") if "http-equiv" in tag)
    (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src" not in policy
    # The policy would block them.
    assert not re.search(r"<[^>]* style=", source)


def test_a_value_that_a_template_needs_is_not_left_out_silently() -> None:
    values = values_of(SAMPLE)
    del values["operating"]
    with pytest.raises(UndefinedError, match="operating"):
        render("faceid.evaluation.report", "report.html", values, style="report.css")


def test_text_is_escaped_once_and_loses_what_html_forbids() -> None:
    assert escaped("<b>\x00'\"&\ud800") == "&lt;b&gt;\ufffd&#39;&#34;&amp;\ufffd"
    assert escaped(Markup("<b>\x07")) == "<b>\ufffd"
    assert escaped(3) == "3"
