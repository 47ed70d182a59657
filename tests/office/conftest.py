"""The shop of the store's tests serves the office's as well."""

from tests.store.conftest import home, shop

__all__ = ["home", "shop"]
