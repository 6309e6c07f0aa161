"""Files: found, read, merged, and what a message calls their keys."""

from __future__ import annotations

import pytest

from homing.config.documents import MAX_FILE_BYTES, read
from homing.config.problems import ConfigError, Finding
from homing.config.secrets import SecretRef


def refusal(path):
    """
    Read what cannot be read; returns the problems as text, without the folder.
    """
    with pytest.raises(ConfigError) as error:
        read(path)
    return [str(problem).replace(f"{path.parent}/", "") for problem in error.value.problems]


class TestRead:
    def test_one_file_is_its_own_tables(self, write):
        """
        Without includes nothing is added.
        """
        document = read(write("[server]\nlisten = 'x'"))

        assert {"server": {"listen": "x"}} == document.values

    def test_references_become_secrets_that_know_their_key(self, write):
        """
        Wherever a reference stands it is told apart from text.
        """
        document = read(write('a.b = ["${A}", "${A} "]\n"c d" = "${B}"'))

        assert {
            "a": {"b": [SecretRef("env", "A", "a.b[0]"), "${A} "]},
            "c d": SecretRef("env", "B", '"c d"'),
        } == document.values

    def test_a_byte_order_mark_is_no_part_of_the_text(self, write):
        """
        Some editors put one at the start.
        """
        assert {"a": 1} == read(write("\ufeffa = 1")).values

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a = 1\nb =\n", "homing.toml:2: expected TOML, got something else: Invalid value"),
            (
                "a = 1\na = 2",
                "homing.toml:2: expected TOML, got something else: Cannot overwrite a value",
            ),
            ("a = [", "homing.toml:1: expected TOML, got something else: Invalid value"),
            (
                "a = " + "[" * 5_000 + "]" * 5_000,
                "homing.toml: expected tables nested at most 64 deep",
            ),
            ("a" + ".a" * 5_000 + " = 1", "homing.toml: expected tables nested at most 64 deep"),
        ],
    )
    def test_what_is_no_toml_is_named_with_its_line(self, write, text, message):
        """
        The line is there where the reader of TOML knows it.
        """
        assert [message] == refusal(write(text))

    def test_a_number_too_long_to_read_is_no_toml(self, write):
        """
        The interpreter's own limit is an error of the file, not of Homing.
        """
        (problem,) = refusal(write("a = " + "1" * 5_000))

        assert problem.startswith("homing.toml: expected TOML, got something else: Exceeds")

    def test_a_file_that_is_not_there_is_an_error(self, tmp_path):
        """
        The reason is the system's own.
        """
        assert [
            "homing.toml: expected a configuration file, got none: No such file or directory"
        ] == refusal(tmp_path / "homing.toml")

    def test_a_folder_is_no_file(self, tmp_path):
        """
        A folder in place of a file is said to be one.
        """
        (problem,) = refusal(tmp_path)

        assert problem.endswith("expected a configuration file, got none: Is a directory")

    def test_other_bytes_than_utf_8_are_named_with_their_line(self, tmp_path):
        """
        Latin-1 is a common slip.
        """
        path = tmp_path / "homing.toml"
        path.write_bytes(b"a = 1\nb = '\xe9'\n")

        assert ["homing.toml:2: expected UTF-8 text, got other bytes"] == refusal(path)

    def test_a_huge_file_is_not_read(self, tmp_path):
        """
        A log given by mistake does not fill the memory.
        """
        path = tmp_path / "homing.toml"
        path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))

        assert ["homing.toml: expected a file of at most 4,194,304 bytes"] == refusal(path)


class TestInclude:
    def test_files_are_merged_in_the_order_of_their_names(self, write):
        """
        The main file comes first, so its routes are asked first.
        """
        path = write(
            'include = ["more/*.toml"]\nroute.main.stop = true',
            more__b_toml="route.b.stop = true",
            more__a_toml="route.a.stop = true",
        )

        document = read(path)

        assert ["main", "a", "b"] == list(document.values["route"])
        assert ["homing.toml", "a.toml", "b.toml"] == [s.path.name for s in document.sources]

    def test_the_main_file_is_not_its_own_include(self, write):
        """
        A pattern may match the file it stands in.
        """
        document = read(write('include = ["*.toml", "./homing.toml"]\na = 1'))

        assert 1 == len(document.sources)

    def test_a_file_matched_twice_is_read_once(self, write):
        """
        Patterns may overlap.
        """
        document = read(write('include = ["x*.toml", "*.toml"]', x_toml="a = 1"))

        assert 2 == len(document.sources)

    def test_a_pattern_that_names_nothing_is_a_warning(self, write):
        """
        An empty folder of journeys is no error.
        """
        document = read(write('include = ["none/*.toml", "\\u0000", "[z-a]"]'))

        assert 3 == len(document.warnings)

    def test_tables_of_several_files_are_one(self, write):
        """
        A section may be spread over files, key by key.
        """
        path = write(
            'include = ["x.toml"]\n[sendgrid]\nmode = "live"\ngroups = { a = 1 }',
            x_toml="[sendgrid]\ngroups = { b = 2 }",
        )

        assert {"mode": "live", "groups": {"a": 1, "b": 2}} == read(path).values["sendgrid"]

    @pytest.mark.parametrize(
        ("main", "other", "key", "line"),
        [
            ("server.listen = 'x'", "\nserver.listen = 'y'", "server.listen", 2),
            ("server.listen = 'x'", "server.listen.y = 1", "server.listen", 1),
            ("[email.a]\ngroup = 'x'", "[email.a]\nclass = 'x'", "email.a", 1),
            ("[segment.source.a]", "\n\n[segment.source.a]", "segment.source.a", 3),
            ("[[journey.a.step]]", "[[journey.a.step]]", "journey.a", 1),
            ("email.'a.b' = {}", "email.'a.b' = {}", 'email."a.b"', 1),
        ],
    )
    def test_the_same_thing_in_two_files_names_both(self, write, *, main, other, key, line):
        """
        Which of two would count is nothing to guess.
        """
        path = write(f'include = ["x.toml"]\n{main}', x_toml=other)

        (problem,) = read(path).problems

        folder = path.parent
        assert (key, line, folder / "x.toml") == (problem.key, problem.line, problem.file)
        assert (
            f"expected `{key}` to be set in one file only, got it in {path} and in "
            f"{folder / 'x.toml'}"
        ) == problem.message

    def test_only_the_main_file_includes(self, write):
        """
        One place says which files there are.
        """
        path = write('include = ["x.toml"]', x_toml='\ninclude = ["y.toml"]')

        (problem,) = read(path).problems

        assert f"{path.parent / 'x.toml'}:2: `include` works in the main file only: {path}" == str(
            problem
        )

    def test_all_broken_files_are_reported(self, write):
        """
        One run tells all there is to repair.
        """
        path = write('include = ["*.toml"]', a_toml="=", b_toml="a = 1", c_toml="=")

        assert ["a.toml:1", "c.toml:1"] == [text[:8] for text in refusal(path)]


class TestProblem:
    TEXT = """
[journey.cart]
[[journey.cart.step]]
id = "wait"
hold = "2h"
[[suppression.opt_out]]
when = "x"
[sendgrid]
groups."Weekly news" = 1
"""

    @pytest.mark.parametrize(
        ("loc", "key", "line"),
        [
            (("journey", "cart", "step", 0, "hold"), "journey.cart.step.wait.hold", 5),
            (("journey", "cart", "step", 0, "missing"), "journey.cart.step.wait.missing", 3),
            (("journey", "cart", "entry", "when"), "journey.cart.entry.when", 2),
            (("suppression", "opt_out", 0, "when"), "suppression.opt_out[0].when", 7),
            (("sendgrid", "groups", "Weekly news"), 'sendgrid.groups."Weekly news"', 9),
            (("nothing",), "nothing", None),
        ],
    )
    def test_a_finding_gets_the_key_and_line_a_person_looks_for(self, write, *, loc, key, line):
        """
        Items go by their id, and what is missing stands at the table that lacks it.
        """
        problem = read(write(self.TEXT)).problem(Finding(loc, "about `\0`"))

        assert (key, line, f"about `{key}`") == (problem.key, problem.line, problem.message)
