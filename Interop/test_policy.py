"""`p2p policy check`: whether a file of rules is sound, and which rule decides."""

import pytest

from peers import ours

RULES = """# who may do what
allow tcp-connect:example.com:443
allow tcp-connect:10.0.0.0/8:*
deny  tcp-connect:10.0.0.5:22
"""


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules"
    path.write_text(RULES)
    return path


def check(*arguments):
    return ours.run("policy", "check", *arguments, "--json")


def test_a_sound_file_is_counted(rules):
    outcome = check(rules)
    assert outcome.code == 0 and outcome.objects[0] == {"event": "policy", "rules": 3}, outcome


@pytest.mark.parametrize(
    ["question", "line"],
    [
        (["tcp-connect:10.0.0.6:22"], 3),
        (["tcp-connect:EXAMPLE.com.:443"], 2),
        (["tcp-connect:example.com:443", "--leads-to", "10.1.1.1"], 2),
    ],
)
def test_what_is_granted(rules, question, line):
    outcome = check(rules, *question)
    assert outcome.code == 0, outcome
    assert outcome.objects[0]["granted"] is True and outcome.objects[0]["line"] == line, outcome


@pytest.mark.parametrize(
    ["question", "explanation"],
    [
        (
            ["tcp-connect:10.0.0.5:22"],
            'permission denied: tcp-connect:10.0.0.5:22 is denied by "deny tcp-connect:10.0.0.5:22" (policy line 4)',
        ),
        (["tcp-connect:1.1.1.1:22"], "permission denied: tcp-connect:1.1.1.1:22 is not granted"),
        (
            ["tcp-connect:example.com:443", "--leads-to", "127.0.0.1"],
            "permission denied: tcp-connect:example.com:443 leads to 127.0.0.1, which is not granted",
        ),
        (["control:stop", "app=companion"], "permission denied: control:stop is not granted to app companion"),
    ],
)
def test_what_is_refused(rules, question, explanation):
    outcome = check(rules, *question)
    assert outcome.code == 1, outcome
    assert outcome.objects[0]["granted"] is False and outcome.objects[0]["explanation"] == explanation, outcome


@pytest.mark.parametrize(
    ["text", "code", "message"],
    [
        (b"allow tcp-connect:a:70000\n", "policyNotARule", "policy line 1, column 21: port 70000 is above 65535"),
        (b"#" * 1_048_577, "policyTooLarge", "at most 1048576 are read"),
        (b"\xff\xfe", "inputFailed", "is not text in UTF-8"),
    ],
)
def test_what_is_no_policy(rules, text, code, message):
    rules.write_bytes(text)
    outcome = check(rules)
    assert outcome.code == 1 and outcome.error["code"] == code and message in outcome.error["message"], outcome


def test_what_is_no_question(rules):
    outcome = check(rules, "tcp-connect:*:80")
    assert outcome.code == 1 and outcome.error["code"] == "policyNotAQuestion", outcome
