"""Secrets: found where the reference says, shown nowhere."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.config import MissingSecret, SecretRef
from homing.config.secrets import MAX_SECRET_BYTES, missing_of, values_of


class TestParse:
    @pytest.mark.parametrize(
        ("text", "kind", "target"),
        [
            ("${NAME}", "env", "NAME"),
            ("${_n1}", "env", "_n1"),
            ("${file:/run/secrets/a key}", "file", "/run/secrets/a key"),
            ("${credential:sendgrid-key}", "credential", "sendgrid-key"),
        ],
    )
    def test_the_three_forms_are_read(self, text, kind, target):
        """
        A reference is an environment variable, a file or a credential, and reads back as written.
        """
        ref = SecretRef.parse(text, key="sendgrid.api_key")

        assert SecretRef(kind, target, "sendgrid.api_key") == ref
        assert text == ref.reference

    @pytest.mark.parametrize(
        "text",
        [
            *(
                "",
                "NAME",
                "$NAME",
                "${}",
                "${1A}",
                "${A B}",
                "x${A}",
                "${A}x",
                "${A}\n",
                "${A}${B}",
            ),
            *("${file:relative}", "${file:}", "${credential:}", "${credential:..}", "${É}"),
            *("${credential:a/b}", "${other:a}", "${file:/a\0b}", "${ A }"),
        ],
    )
    def test_anything_else_is_none(self, text):
        """
        Text that only looks like a reference is none.
        """
        assert SecretRef.parse(text, key="k") is None


class TestResolve:
    def test_an_environment_variable_is_taken_as_it_is(self):
        """
        The value is not trimmed.
        """
        assert " x\n" == SecretRef("env", "A").resolve({"A": " x\n"})

    @pytest.mark.parametrize(
        ("content", "secret"),
        [("s\n", "s"), ("s\r\n", "s"), ("s", "s"), ("s\n\n", "s\n"), (" s ", " s "), ("é", "é")],
    )
    def test_a_file_loses_one_trailing_newline(self, tmp_path, content, secret):
        """
        Editors add a newline that is not part of the secret.
        """
        path = tmp_path / "key"
        path.write_bytes(content.encode())

        assert secret == SecretRef("file", str(path)).resolve({})

    def test_a_credential_is_a_file_of_the_credentials_directory(self, tmp_path):
        """
        systemd tells the folder by $CREDENTIALS_DIRECTORY.
        """
        (tmp_path / "key").write_text("s\n")

        environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

        assert "s" == SecretRef("credential", "key").resolve(environ)

    def test_it_is_read_at_each_use(self):
        """
        A rotated secret is seen without a new configuration.
        """
        environ = {"A": "old"}
        ref = SecretRef("env", "A")
        ref.resolve(environ)
        environ["A"] = "new"

        assert "new" == ref.resolve(environ)

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "it is empty"),
            (b"\n", "it is empty"),
            (b"\xff\xfe", "is not UTF-8 text"),
            (b"x" * (MAX_SECRET_BYTES + 1), "is over 65536 bytes"),
        ],
    )
    def test_an_unusable_file_is_named(self, tmp_path, content, why):
        """
        The error says which key, which reference and why, and not what was found.
        """
        path = tmp_path / "key"
        path.write_bytes(content)

        with pytest.raises(MissingSecret) as error:
            SecretRef("file", str(path), "sendgrid.api_key").resolve({})

        assert "sendgrid.api_key" == error.value.key
        assert f"${{file:{path}}}" == error.value.reference
        assert str(error.value).endswith(why)
        assert error.value.__cause__ is None

    @pytest.mark.parametrize(
        ("ref", "message"),
        [
            (
                SecretRef("env", "A", "k"),
                "expected `k` to be found at ${A}, but this environment variable is not set",
            ),
            (
                SecretRef("credential", "a", "k"),
                "expected `k` to be found at ${credential:a}, "
                "but $CREDENTIALS_DIRECTORY is not set",
            ),
            (
                SecretRef("file", "/nowhere/x", "k"),
                "expected `k` to be found at ${file:/nowhere/x}, "
                "but /nowhere/x cannot be read (No such file or directory)",
            ),
            (
                SecretRef("file", "/", "k"),
                "expected `k` to be found at ${file:/}, but / cannot be read (Is a directory)",
            ),
        ],
    )
    def test_a_missing_secret_says_where_it_was_looked_for(self, ref, message):
        """
        What to do about it is in the message.
        """
        with pytest.raises(MissingSecret) as error:
            ref.resolve({})

        assert message == str(error.value)

    def test_an_empty_variable_is_missing(self):
        """
        An empty secret protects nothing.
        """
        with pytest.raises(MissingSecret, match="it is empty"):
            SecretRef("env", "A", "k").resolve({"A": " "})


class TestRepr:
    @given(st.text(min_size=1).filter(lambda text: text not in "SecretRef(literal)"))
    def test_a_literal_shows_nothing_of_its_text(self, text):
        """
        Neither repr, nor str, nor format tell what a literal is.
        """
        ref = SecretRef("literal", text)

        assert "SecretRef((literal))" == repr(ref)
        assert "(literal)" == str(ref) == f"{ref}"

    def test_a_reference_shows_itself(self):
        """
        Which variable it is may be known.
        """
        assert "SecretRef(${A})" == repr(SecretRef("env", "A", "k"))

    def test_it_survives_pickling(self):
        """
        It can be handed to another process.
        """
        ref = SecretRef("env", "A", "k")

        assert ref == pickle.loads(pickle.dumps(ref))  # noqa: S301 - our own bytes


class TestListing:
    def test_all_that_is_missing_is_listed_in_order(self):
        """
        One look tells everything to be set.
        """
        refs = [SecretRef("env", name, name.lower()) for name in "ABC"]

        assert ["a", "c"] == [error.key for error in missing_of(refs, {"B": "x"})]

    def test_all_values_that_can_be_had_are_for_the_log_to_hide(self):
        """
        Missing ones are no reason to show the others.
        """
        refs = [SecretRef("env", name) for name in "ABC"]

        assert {"x", "y"} == values_of(refs, {"A": "x", "B": "y"})
