"""The pages as a Django app (templates, assets, template tags)."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Everything a browser sees."""

    name = "poststelle.web"
    label = "web"
