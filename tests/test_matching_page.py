"""``docs/matching.md`` promises a test for every rule, of the same name; and the tests are about nothing but its rules."""

import re
from collections import Counter

from sources import ROOT, functions, read

PAGE = ROOT / "docs" / "matching.md"


def rules():
    """The names of the page's rules, in its order."""
    return re.findall(r"^- \*\*([a-z0-9-]+)\*\*:", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def scenes():
    """The names of the test functions in the files of scenes, as the page would spell them."""
    files = [path for path in sorted((ROOT / "tests").glob("test_matching_*.py")) if path.name != "test_matching_page.py"]
    names = [function.name for path in files for function in functions(read(path)) if function.name.startswith("test_")]
    return [name.removeprefix("test_").replace("_", "-") for name in names]


def test_every_line_of_a_list_is_a_rule_with_a_name_of_its_own():
    """So that none is overlooked by the tests below."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.lstrip().startswith(("- ", "* "))]
    assert len(lines) == len(rules()) == len(set(rules())) > 100


def test_every_rule_has_one_test_and_every_test_a_rule():
    """What the page says and what is tried are the same list."""
    assert {name: count for name, count in Counter(scenes()).items() if count > 1} == {}
    assert set(rules()) - set(scenes()) == set(), "rules without a test"
    assert set(scenes()) - set(rules()) == set(), "tests without a rule"
