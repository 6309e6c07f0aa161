"""What the recipient reads."""

from tests.support.sendgrid_mail import TEMPLATE, block, mail, template_mail

from homing.emulators import SendGridEmulator, SendGridSettings


class TestRender:
    async def test_a_template_is_rendered_with_the_data(self, sendgrid, call):
        """Handlebars for subject, HTML and text; HTML escapes, text does not."""
        sendgrid.add_template(
            TEMPLATE,
            subject="{{count}} things",
            html="<ul>{{#each items}}<li>{{this.name}}</li>{{/each}}</ul>",
            text="{{#each items}}{{this.name}};{{/each}}",
        )
        data = {"count": 2, "items": [{"name": "A & B"}, {"name": "<C>"}]}

        await call(sendgrid, "POST", "/v3/mail/send", template_mail(data))

        (one,) = sendgrid.accepted
        assert "2 things" == one.subject
        assert "<ul><li>A &amp; B</li><li>&lt;C&gt;</li></ul>" == one.html
        assert "A & B;<C>;" == one.text

    async def test_text_is_made_from_the_html(self, sendgrid, call):
        """A template without a plain part gets one."""
        sendgrid.add_template(TEMPLATE, subject="s", html="<p>Hello {{name}}</p>")

        await call(sendgrid, "POST", "/v3/mail/send", template_mail({"name": "Ada"}))

        assert "Hello Ada" == sendgrid.accepted[0].text

    async def test_sendgrids_helpers_are_there(self, sendgrid, call):
        """The dialect of dynamic templates, not plain Handlebars."""
        html = (
            '{{insert name "default=Customer"}}'
            " {{#greaterThan total 5}}big{{else}}small{{/greaterThan}}"
        )
        sendgrid.add_template(TEMPLATE, subject="s", html=html)

        await call(sendgrid, "POST", "/v3/mail/send", template_mail({"total": 9}))

        assert "Customer big" == sendgrid.accepted[0].html

    async def test_an_unsubscribe_link_can_be_placed(self, sendgrid, call):
        """``{{{unsubscribe}}}`` is the mail's own link."""
        sendgrid.add_template(TEMPLATE, subject="s", html='<a href="{{{unsubscribe}}}">x</a>')

        await call(sendgrid, "POST", "/v3/mail/send", template_mail({}))

        assert '<a href="/unsubscribe/1">x</a>' == sendgrid.accepted[0].html

    async def test_an_unknown_template_shows_its_data(self, sendgrid, call):
        """A mail can be looked at although nobody registered its template."""
        await call(sendgrid, "POST", "/v3/mail/send", template_mail({"name": "<Ada>"}))

        (one,) = sendgrid.accepted
        assert TEMPLATE in one.subject
        assert "&lt;Ada&gt;" in one.html
        assert "<Ada>" in one.text

    async def test_an_account_can_know_its_templates_only(self, call):
        """Then an unknown one is refused."""
        async with SendGridEmulator(settings=SendGridSettings(any_template=False)) as sendgrid:
            refused = await call(sendgrid, "POST", "/v3/mail/send", template_mail({}))
            sendgrid.add_template(TEMPLATE, subject="s", html="h")
            taken = await call(sendgrid, "POST", "/v3/mail/send", template_mail({}))

        assert (400, 202) == (refused.status, taken.status)

    async def test_substitutions_are_made(self, sendgrid, call):
        """The older way: tags in subject and content, for each recipient."""
        body = mail(
            subject="Hi -name-",
            content=[{"type": "text/plain", "value": "-name-!"}],
            personalizations=[block(substitutions={"-name-": "Ada"})],
        )

        await call(sendgrid, "POST", "/v3/mail/send", body)

        assert ("Hi Ada", "Ada!") == (sendgrid.accepted[0].subject, sendgrid.accepted[0].text)

    async def test_a_mail_can_be_read_when_the_emulator_is_gone(self, call):
        """A test may look at what was sent after the end."""
        async with SendGridEmulator() as sendgrid:
            sendgrid.add_template(TEMPLATE, subject="Hi {{n}}", html="h")
            await call(sendgrid, "POST", "/v3/mail/send", template_mail({"n": 1}))

        assert "Hi 1" == sendgrid.accepted[0].subject
