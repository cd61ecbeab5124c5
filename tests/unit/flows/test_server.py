import pytest

from flows.server import AUTHENTICATION, CSRF, check_exposure
from schemas.errors import EXIT_USAGE, UsageError

GUARDED = {AUTHENTICATION: "winnow:correct-horse", CSRF: "true"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_this_machine_alone_needs_no_password(host: str) -> None:
    check_exposure(host, {})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "winnow.example.org", "", "127.0.0.1.example.org"])
def test_others_are_let_in_with_both_protections_only(host: str) -> None:
    check_exposure(host, GUARDED)
    for wrong, named in (
        ({}, AUTHENTICATION),
        (GUARDED | {CSRF: "false"}, CSRF),
        ({AUTHENTICATION: GUARDED[AUTHENTICATION]}, CSRF),
        (GUARDED | {AUTHENTICATION: "winnow"}, AUTHENTICATION),
        (GUARDED | {AUTHENTICATION: "winnow:short"}, AUTHENTICATION),
        (GUARDED | {AUTHENTICATION: ":correct-horse"}, AUTHENTICATION),
    ):
        with pytest.raises(UsageError, match=named) as refused:
            check_exposure(host, wrong)
        assert refused.value.exit_code == EXIT_USAGE
        assert "correct-horse" not in str(refused.value)
