"""What is done to the HTML of a mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.emulators.sendgrid.markup import MOST_LINKS, links_of, rewritten, text_of, with_footer


def numbered(index, _):
    return f"/click/{index}"


class TestRewritten:
    @pytest.mark.parametrize(
        ("html", "new", "links"),
        [
            ("<a href='http://a.b/'>x</a>", '<a href="/click/0">x</a>', ["http://a.b/"]),
            ("<A HREF=https://a.b>x", '<a href="/click/0">x', ["https://a.b"]),
            (
                '<a class="b" href=" https://a.b/?x=1&amp;y=2 ">x</a>',
                '<a href="/click/0" class="b">x</a>',
                ["https://a.b/?x=1&y=2"],
            ),
            (
                "<a title=\"' href='http://evil/'\" href='http://a.b/'>x</a>",
                '<a href="/click/0" title="&#x27; href=&#x27;http://evil/&#x27;">x</a>',
                ["http://a.b/"],
            ),
            (
                'é\n<p>Tom&Jerry &copy</p>\r\n<a\nhref="http://a.b/">x</a> <!-- c --> &lt;',
                'é\n<p>Tom&Jerry &copy</p>\r\n<a href="/click/0">x</a> <!-- c --> &lt;',
                ["http://a.b/"],
            ),
            (
                "<a href='http://a/'/><a href='http://b/'>",
                '<a href="/click/0"><a href="/click/1">',
                ["http://a/", "http://b/"],
            ),
            ("<a href='mailto:a@b.co'>x</a>", "<a href='mailto:a@b.co'>x</a>", []),
            ("<a href='javascript:alert(1)'>x</a>", "<a href='javascript:alert(1)'>x</a>", []),
            ("<a href='#top'>x</a><a>y</a>", "<a href='#top'>x</a><a>y</a>", []),
            ("<img src='http://a.b/'>", "<img src='http://a.b/'>", []),
            (
                "<script>'<a href=\"http://a.b/\">'</script>",
                "<script>'<a href=\"http://a.b/\">'</script>",
                [],
            ),
            ("<!-- <a href='http://a.b/'> -->", "<!-- <a href='http://a.b/'> -->", []),
            ("<a href='http://a.b/'", "<a href='http://a.b/'", []),
            ("", "", []),
        ],
    )
    def test_web_links_and_nothing_else_are_rewritten(self, html, new, links):
        """Targets are replaced and listed; every other character stays."""
        assert (new, links) == rewritten(html, numbered)

    @given(st.text(alphabet="<>a href='\"=/!-&;\n\rhtp:x", max_size=200))
    def test_html_without_a_link_stays_as_it_is(self, html):
        """Whatever the text, only found links change it."""
        new, links = rewritten(html, numbered)

        assert links or html == new

    @given(st.lists(st.sampled_from(["<p>", "é", "\n", "<a href='http://x.y/'>", "&amp;", "<b"])))
    def test_links_are_counted_alike(self, parts):
        """The list of links is the same whether they are rewritten or not."""
        html = "".join(parts)

        assert links_of(html) == rewritten(html, numbered)[1]

    def test_a_mail_has_so_many_tracked_links(self):
        """Beyond the limit links stay untracked."""
        html = "<a href='http://a.b/'>" * (MOST_LINKS + 5)

        new, links = rewritten(html, numbered)

        assert MOST_LINKS == len(links)
        assert 5 == new.count("http://a.b/")


class TestTextOf:
    def test_words_come_line_by_line(self):
        """Blocks make lines, entities are read, styles and titles are not text."""
        html = "<title>T</title><style>p{}</style><h1>Hi  you</h1><p>a &amp; b<br>c</p>"

        assert "Hi you\n\na & b\nc" == text_of(html)

    @given(st.text())
    def test_any_text_has_a_text(self, html):
        """Nothing makes it fail."""
        assert isinstance(text_of(html), str)


class TestWithFooter:
    @pytest.mark.parametrize(
        ("html", "new"),
        [
            ("<body>x</body></html>", "<body>xF</body></html>"),
            ("<BODY>x</BODY >", "<BODY>xF</BODY >"),
            ("x", "xF"),
        ],
    )
    def test_it_comes_last_in_the_body(self, html, new):
        """Before the closing tag, or at the end."""
        assert new == with_footer(html, "F")
