"""Templates into text: the Handlebars of SendGrid's dynamic templates, rendered here."""

from homing.adapters.render.handlebars import HandlebarsRenderer, Inspection, Need, RenderError

__all__ = ["HandlebarsRenderer", "Inspection", "Need", "RenderError"]
