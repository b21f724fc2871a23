from __future__ import annotations

import pytest

from cluster.tracking.redact import MASK, is_secret_key, redact_text, redact_value

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"http://alice:{SECRET}@tracking.example:5000/api",
        f"postgresql+psycopg://u:{SECRET}@db/mlflow failed",
        f"Authorization: Bearer {SECRET}",
        f"https://bucket/x?X-Amz-Signature={SECRET}&a=1",
        f"password={SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        f"MLFLOW_TRACKING_TOKEN={SECRET} isthmus run",
    ],
)
def test_credentials_leave_a_text(text: str) -> None:
    assert SECRET not in redact_text(text)
    assert MASK in redact_text(text)


@pytest.mark.parametrize("token", ["AKIAABCDEFGHIJKLMNOP", "ghp_abcdefghij0123456789", "hf_abcdefghijKLMNOP"])
def test_known_token_forms_are_masked_wherever_they_stand(token: str) -> None:
    assert token not in redact_text(f"cloning with {token} failed")


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/key/part.parquet",
        "epoch 3 of 10: loss=0.25",
        "num_tokens=512",
        "max_token: 512",
        "a@b.example wrote",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("key", ["password", "store.secret_key", "left.api_key", "auth_token", "AWS_SECRET_ACCESS_KEY"])
def test_secret_names(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["max_tokens", "key", "token_count", "keyword", "spectral.dim", "secretary"])
def test_innocent_names(key: str) -> None:
    assert not is_secret_key(key)


def test_values_under_secret_names_are_masked_at_any_depth() -> None:
    value = redact_value({"store": {"options": {"password": 12345678, "region": "eu"}}, "list": [f"a://b:{SECRET}@c"]})
    assert value == {"store": {"options": {"password": MASK, "region": "eu"}}, "list": [f"a://{MASK}@c"]}


def test_values_of_secret_environment_variables_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    from cluster.tracking import redact

    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct horse battery")
    redact._secret_environment.cache_clear()
    assert redact_text("login with correct horse battery failed") == f"login with {MASK} failed"
    redact._secret_environment.cache_clear()
