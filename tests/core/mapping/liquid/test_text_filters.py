"""Filters on text, by the examples of the Liquid documentation and LiquidJS's behaviour."""

from __future__ import annotations

import pytest

from homing.core.mapping import MappingFailure, compile_mapping

EVENT = {
    "n": 5.0,
    "none": None,
    "list": ["a", "b"],
    "html": "Have <em>you</em> read <strong>Ulysses</strong>?",
    "script": "a<script>x<y</script>b<style>p</style>c<!-- < -->d<br/>e < f",
    "quotes": "\"'",
    "lines": "\r\nHello\nthere\r\n",
}


def filtered(expression):
    return compile_mapping({"@liquid": f"{{{{ {expression} }}}}"}).resolve(EVENT)


class TestTextFilters:
    @pytest.mark.parametrize(
        ("expression", "text"),
        [
            ('"/my/url" | append: ".html"', "/my/url.html"),
            ("n | append: none | append: missing | append: list", "5ab"),
            ('"apples" | prepend: "Some "', "Some apples"),
            ('"my GREAT title" | capitalize', "My great title"),
            ('"Parker Moore" | downcase', "parker moore"),
            ('"Parker Moore" | upcase', "PARKER MOORE"),
            ('"  So much room  " | strip', "So much room"),
            ('"  So  " | lstrip', "So  "),
            ('"  So  " | rstrip', "  So"),
            ('"xxhixx" | strip: "x"', "hi"),
            ("lines | strip_newlines", "Hellothere"),
            ('"  a  b " | squish', "a b"),
            ('" a  b " | normalize_whitespace', " a b "),
            ('"Ground control to Major Tom." | number_of_words', "5"),
            ('"" | number_of_words', "0"),
            ("html | strip_html", "Have you read Ulysses?"),
            ("script | strip_html", "abcde < f"),
            ('html | escape | truncate: 16, ""', "Have &lt;em&gt;y"),
            ("quotes | escape", "&#34;&#39;"),
            ('"1 < 2 &amp; 3" | escape_once', "1 &lt; 2 &amp; 3"),
            ('"1 < 2" | xml_escape', "1 &lt; 2"),
            ('"I strained to see the train" | remove: "rain"', "I sted to see the t"),
            ('"rain rain" | remove_first: "rain"', " rain"),
            ('"rain rain" | remove_last: "rain"', "rain "),
            ('"my my" | replace: "my", "your"', "your your"),
            ('"my my" | replace: "my"', " "),
            ('"my my" | replace_first: "my", "$&"', "$& my"),
            ('"my my" | replace_last: "my", "your"', "my your"),
            ('"abc" | replace_last: "x", "y"', "abc"),
            ('"Ground control to Major Tom." | truncate: 20', "Ground control to..."),
            ('"Ground control" | truncate: 10, ", etc"', "Groun, etc"),
            ('"Ground control" | truncate: 6, ""', "Ground"),
            ('"short" | truncate', "short"),
            ('"abc" | truncate: 1, "..."', "..."),
            ('"Ground control to Major Tom." | truncatewords: 3', "Ground control to..."),
            ('"Ground control" | truncatewords: 3, "--"', "Ground control"),
            ('"a,b,,c,," | split: "," | json', '["a","b","","c"]'),
            ('"abc" | split: "" | json', '["a","b","c"]'),
            ('"" | split: "," | json', "[]"),
            ('"The _config.yml file" | slugify', "the-config-yml-file"),
            ('"The _config.yml file" | slugify: "pretty"', "the-_config.yml-file"),
            ('"The _cönfig.yml file" | slugify: "ascii"', "the-c-nfig-yml-file"),
            ('"The cönfig.yml file" | slugify: "latin"', "the-config-yml-file"),
            ('"The File" | slugify: "none"', "the file"),
            ('"The File" | slugify: "default", true', "The-File"),
            ('"john@liquid.com a" | url_encode', "john%40liquid.com+a"),
            ('"%27Stop%21%27+said" | url_decode', "'Stop!' said"),
            ('"foo, bar; baz?(x)" | cgi_escape', "foo%2C+bar%3B+baz%3F%28x%29"),
            ('"foo, bar \\baz?[x]" | uri_escape', "foo,%20bar%20%5Cbaz?[x]"),
            ('"one two three ü" | base64_encode', "b25lIHR3byB0aHJlZSDDvA=="),
            ('"b25lIHR3byB0aHJlZSDDvA" | base64_decode', "one two three ü"),
        ],
    )
    def test_the_documented_examples(self, expression, text):
        """
        Each filter gives what LiquidJS gives.
        """
        assert text == filtered(expression)

    @pytest.mark.parametrize("text", ["a b!", "abcde"])
    def test_what_is_not_base64_is_a_failure(self, text):
        """
        Nothing half decoded is sent.
        """
        with pytest.raises(MappingFailure, match="not base64"):
            compile_mapping({"@liquid": "{{ t | base64_decode }}"}).resolve({"t": text})
