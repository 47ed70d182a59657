"""Django's settings, derived from the configuration and the key file of the data folder."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from poststelle.run.configuration import load
from poststelle.run.demo.office import PASSWORD, PEOPLE
from poststelle.store.keys import open_key_file

POSTSTELLE = load()
HERE = Path(__file__).resolve().parent.parent

SECRET_KEY = open_key_file(POSTSTELLE.home / "keys.json").session_key
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", *POSTSTELLE.allowed_hosts]
ROOT_URLCONF = "poststelle.run.urls"
ASGI_APPLICATION = "poststelle.run.asgi.application"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "lucide",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "poststelle.store",
    "poststelle.web",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "poststelle.web.security.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "poststelle.web.language.PersonalLanguageMiddleware",
    "poststelle.web.entrance.EntranceMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "poststelle.web.shell.shell",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "poststelle.web.templatetags.words",
                "poststelle.web.templatetags.tables",
                "poststelle.web.templatetags.icons",
                "poststelle.web.templatetags.assets",
                "poststelle.web.templatetags.drawn",
                "poststelle.web.templatetags.deeds",
                "poststelle.web.templatetags.mail",
                "poststelle.web.templatetags.message",
            ],
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": POSTSTELLE.home / "poststelle.db",
        "OPTIONS": {
            # FULL: a commit that was reported must survive a power cut (RELIABILITY Q1).
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
        # Under ASGI every request has a thread of its own: a connection kept beyond it would never be used again.
        "CONN_MAX_AGE": 0,
        "TEST": {"NAME": POSTSTELLE.home / "test.db"},
    }
}

AUTH_USER_MODEL = "store.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "poststelle.web.login.LoginAdapter"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
# Whoever guesses waits longer and longer: five tries, then minutes, an hour, a day (RELIABILITY Q72).
ACCOUNT_RATE_LIMITS = {"login_failed": "5/5m/key,10/1h/key,20/1d/key,20/m/ip"}
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if POSTSTELLE.base_url.startswith("https://") else "http"
MFA_ADAPTER = "poststelle.web.second_step.SecondStepAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_TOLERANCE = 1
# A whole office may come in by one address in the morning, and a passkey cannot be guessed.
MFA_RATE_LIMITS = {"webauthn_login": "300/m/ip"}
MFA_FORMS = {
    "add_webauthn": "poststelle.web.second_step.AddPasskey",
    "authenticate_webauthn": "poststelle.web.second_step.UsePasskey",
    "login_webauthn": "poststelle.web.second_step.EnterByPasskey",
    "reauthenticate_webauthn": "poststelle.web.second_step.ConfirmByPasskey",
}
SOCIALACCOUNT_ADAPTER = "poststelle.web.single_sign_on.SignOnAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "office",
                "name": POSTSTELLE.oidc_name or urlsplit(POSTSTELLE.oidc_issuer).hostname,
                "client_id": POSTSTELLE.oidc_client_id,
                "secret": POSTSTELLE.oidc_client_secret.get_secret_value(),
                "settings": {"server_url": POSTSTELLE.oidc_issuer},
            }
        ]
        if POSTSTELLE.oidc_issuer
        else [],
    }
}
ACCOUNT_PREVENT_ENUMERATION = True
DEMO_LOGINS = [(person.name, person.address, PASSWORD) for person in PEOPLE] if POSTSTELLE.demo else []
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

SESSION_ENGINE = "poststelle.store.sessions"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "poststelle.web.entrance.csrf_refused"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = POSTSTELLE.base_url.startswith("https://")
if SESSION_COOKIE_SECURE:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
CSRF_TRUSTED_ORIGINS = [POSTSTELLE.base_url] if POSTSTELLE.base_url else []
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 100 * 1024 * 1024
FILE_UPLOAD_TEMP_DIR = os.environ.get("TMPDIR") or None
CELLS = "poststelle.run.cells.ask"
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 20_000}},
    "pictures": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": POSTSTELLE.home / "pictures",
        "TIMEOUT": 7 * 24 * 3600,
        "OPTIONS": {"MAX_ENTRIES": 2000},
    },
}

LANGUAGE_CODE = "de"
LANGUAGES = [("de", _("German")), ("en", _("English"))]
LOCALE_PATHS = [HERE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = os.environ.get("TZ") or "Europe/Berlin"

STATIC_URL = "/static/"
STATIC_ROOT = HERE / "web" / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "poststelle.run.logs.TextLines"},
        "json": {"()": "poststelle.run.logs.JsonLines"},
    },
    "handlers": {"terminal": {"class": "logging.StreamHandler", "formatter": POSTSTELLE.log_format}},
    "root": {"handlers": ["terminal"], "level": "WARNING"},
    "loggers": {
        "poststelle": {"level": POSTSTELLE.log_level},
        # What strangers ask for in vain is answered and not our failure; the log is for those.
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "CRITICAL"},
    },
}

# WhiteNoise hands out its own small files this way, also under ASGI; whoever runs an office cannot do anything about it.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
