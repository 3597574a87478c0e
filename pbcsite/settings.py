"""Settings, from the environment with working defaults for one machine.

``DEBUG`` is false unless the environment says otherwise; without it production rules hold:
SECRET_KEY and ALLOWED_HOSTS must be given and cookies travel over TLS only. docs/configuration.md
lists all.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from whitenoise.compress import Compressor

from pbcsite import api_settings, env, header_settings, logs, reports_of_errors
from pbcsite.embedded import broker_url
from pbcsite.object_storage import object_storage

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env.read_path("DATA_DIR", BASE_DIR / "var")

DEBUG = env.read_flag("DEBUG", False)
if DEBUG:
    SECRET_KEY = env.read_text("SECRET_KEY", "development-only-" + "x" * 50)
    ALLOWED_HOSTS = env.read_list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
else:
    SECRET_KEY = env.read_text("SECRET_KEY")
    ALLOWED_HOSTS = env.read_list("ALLOWED_HOSTS", [])
    if not ALLOWED_HOSTS:
        raise ImproperlyConfigured("Set the environment variable ALLOWED_HOSTS.")
SECRET_KEY_FALLBACKS = env.read_list("SECRET_KEY_FALLBACKS", [])
# TLS_ONLY is off only for the one-machine demonstration, which listens on loopback alone.
TLS_ONLY = env.read_flag("TLS_ONLY", not DEBUG)
BEHIND_PROXY = env.read_flag("BEHIND_PROXY", False)

INSTALLED_APPS = [
    "modeltranslation",  # before admin, as its documentation asks
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "cases.audit.apps.AuditConfig",
    "cases.apps.CasesConfig",
    "classifier.apps.ClassifierConfig",
    "cases.accounts.apps.AccountsConfig",
    "classifier.reports.apps.ReportsConfig",
    "pbcsite.apps.SiteConfig",
]

MIDDLEWARE = [
    "pbcsite.logs.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "pbcsite.headers.ContentSecurityMiddleware",
    "pbcsite.headers.HeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "cases.accounts.middleware.SessionsMiddleware",
    "cases.accounts.middleware.SecondFactorMiddleware",
    "cases.trail.TrailMiddleware",
]

ROOT_URLCONF = "pbcsite.urls"
WSGI_APPLICATION = "pbcsite.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "cases.context_processors.access",
            ],
        },
    },
]

# --- database -----------------------------------------------------------------------------------
DATABASE_URL = env.read_text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'pbcsite.sqlite3'}")
DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True)
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
            "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=27103364;"
        ),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- files --------------------------------------------------------------------------------------
# With S3_BUCKET uploads lie in object storage, without it in a folder.
S3_BUCKET = env.read_text("S3_BUCKET", "")
STORAGES: dict[str, Any] = {
    "default": (
        object_storage(
            bucket=S3_BUCKET,
            endpoint=env.read_text("S3_ENDPOINT_URL", ""),
            region=env.read_text("S3_REGION", ""),
            prefix=env.read_text("S3_PREFIX", ""),
        )
        if S3_BUCKET
        else {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(env.read_path("MEDIA_ROOT", DATA_DIR / "media"))},
        }
    ),
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
# nginx hands out pictures after the site has asked who may see them (X-Accel-Redirect).
MEDIA_BY_PROXY = env.read_flag("MEDIA_BY_PROXY", False) and not S3_BUCKET
STATIC_URL = "static/"
STATIC_ROOT = env.read_path("STATIC_ROOT", DATA_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
# Source maps are most of the bytes, and only a debugger asks for them.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")

# --- uploads ------------------------------------------------------------------------------------
UPLOAD_MAX_BYTES = env.read_integer("UPLOAD_MAX_BYTES", 20 * 1024**2, minimum=1)
UPLOAD_MAX_PIXELS = env.read_integer("UPLOAD_MAX_PIXELS", 100_000_000, minimum=1)
# Fields as TIFF or OME-TIFF, which are kept as files and read piece by piece.
FIELD_MAX_BYTES = env.read_integer("FIELD_MAX_BYTES", 2 * 1024**3, minimum=1)
FIELD_MAX_PIXELS = env.read_integer("FIELD_MAX_PIXELS", 500_000_000, minimum=1)
UPLOAD_MAX_FILES = env.read_integer("UPLOAD_MAX_FILES", 1000, minimum=1)
# Each web process decodes in this many helpers of its own, within these limits for each.
DECODE_PROCESSES = env.read_integer("DECODE_PROCESSES", 2, minimum=1, maximum=64)
DECODE_SECONDS = env.read_integer("DECODE_SECONDS", 60, minimum=1)
DECODE_MEMORY_BYTES = env.read_integer("DECODE_MEMORY_BYTES", 2 * 1024**3, minimum=512 * 1024**2)
UPLOAD_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
ZIP_MAX_ENTRIES = env.read_integer("ZIP_MAX_ENTRIES", 2000, minimum=1)
ZIP_MAX_BYTES = env.read_integer("ZIP_MAX_BYTES", 512 * 1024**2, minimum=1)
ZIP_MAX_TOTAL_BYTES = env.read_integer("ZIP_MAX_TOTAL_BYTES", 1024**3, minimum=1)
ZIP_MAX_RATIO = env.read_integer("ZIP_MAX_RATIO", 200, minimum=1)
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024**2
# Not the system's: there it may be memory, and a field has gigabytes.
FILE_UPLOAD_TEMP_DIR = str(env.read_path("UPLOAD_TEMP_DIR", DATA_DIR / "incoming"))
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_MAX_FILES

# --- the queue ----------------------------------------------------------------------------------
# Without REDIS_URL: the broker that `make run` starts beside the site.
REDIS_URL = env.read_text("REDIS_URL", broker_url(DATA_DIR))
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2
# A doorbell that cannot be rung must not hold up an upload: the sweep rings again.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "visibility_timeout": 3600,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TIMEZONE = "UTC"
# cases rings this task by name; it must not import the classifier.
CLASSIFY_TASK = "classifier.tasks.classify_pending"
# Names the models that read a case, for signatures: a function of the case's key.
MODELS_OF_CASE = "classifier.services.provenance.models_of_case"
# The bundle of the detector that searches fields, below MODEL_BUNDLES_DIR.
DETECTOR = env.read_text("DETECTOR", "detect-bccd")
# The side of the square in which a cell of a field is shown: of the image, the kind and the box.
FRAME_SIDE = "classifier.fields.frames.side_of"
# That square of a cell, as a Pillow image.
FRAME_OF_CELL = "classifier.fields.frames.picture_of"
EXPLAIN_TASK = "classifier.tasks.explain_pending"
TILE_TASK = "classifier.tasks.build_tiles"
# A field above this is shown from tiles.
TILED_FROM_PIXELS = 4_000_000
CLASSIFY_BATCH_SIZE = env.read_integer("CLASSIFY_BATCH_SIZE", 16, minimum=1, maximum=512)
CLASSIFY_LEASE_SECONDS = env.read_integer("CLASSIFY_LEASE_SECONDS", 120, minimum=1)
CLASSIFY_MAX_ATTEMPTS = env.read_integer("CLASSIFY_MAX_ATTEMPTS", 3, minimum=1)
SWEEP_SECONDS = env.read_integer("SWEEP_SECONDS", 30, minimum=1)
STORAGE_SWEEP_HOURS = env.read_integer("STORAGE_SWEEP_HOURS", 24, minimum=1)
RETENTION_HOURS = env.read_integer("RETENTION_HOURS", 24, minimum=1)
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "classifier.tasks.sweep", "schedule": timedelta(seconds=SWEEP_SECONDS)},
    "sweep_storage": {
        "task": "classifier.tasks.sweep_storage",
        "schedule": timedelta(hours=STORAGE_SWEEP_HOURS),
    },
    "retention": {
        "task": "classifier.tasks.apply_retention",
        "schedule": timedelta(hours=RETENTION_HOURS),
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULER = "pbcsite.beat:Scheduler"
# The scheduler touches it with every round: pbcsite/beat.py.
BEAT_SIGN_OF_LIFE = DATA_DIR / "beat-alive"

# --- the quick look -----------------------------------------------------------------------------
# Pictures without a case: few, small, and gone after these minutes at the latest.
QUICK_LOOK_MINUTES = env.read_integer("QUICK_LOOK_MINUTES", 10, minimum=1, maximum=60)
QUICK_LOOK_MAX_FILES = env.read_integer("QUICK_LOOK_MAX_FILES", 20, minimum=1, maximum=200)
QUICK_LOOK_MAX_BYTES = env.read_integer("QUICK_LOOK_MAX_BYTES", 5 * 1024**2, minimum=1)

# --- the model ----------------------------------------------------------------------------------
MODEL_BUNDLES_DIR = env.read_path("MODEL_BUNDLES_DIR", BASE_DIR / "ml" / "bundles")

# --- people -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "cases.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {},
        "MinimumLengthValidator": {
            "min_length": env.read_integer("PASSWORD_MIN_LENGTH", 12, minimum=8)
        },
        "CommonPasswordValidator": {},
        "NumericPasswordValidator": {},
    }.items()
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_ADAPTER = "cases.accounts.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "cases.accounts.forms.LoginForm",
    "change_password": "cases.accounts.forms.ChangePasswordForm",
    "reset_password_from_key": "cases.accounts.forms.NewPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[pbcsite] "
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_MAX_EMAIL_ADDRESSES = 3
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if TLS_ONLY else "http"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# Counted in the shared cache: N/period/what is counted.
ACCOUNT_RATE_LIMITS = {
    "login": env.read_text("RATE_LOGIN", "30/m/ip"),
    "login_failed": env.read_text("RATE_LOGIN_FAILED", "10/m/ip,5/300s/key"),
    "reset_password": env.read_text("RATE_RESET_PASSWORD", "20/m/ip,5/m/key"),
}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0
MFA_ADAPTER = "cases.accounts.adapters.SecondFactorAdapter"
MFA_FORMS = {
    "add_webauthn": "cases.accounts.forms.AddSecurityKeyForm",
    "edit_webauthn": "cases.accounts.forms.RenameSecurityKeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "pbcsite"
MFA_TOTP_TOLERANCE = 1  # one step of 30 s, as RFC 6238 advises for clocks that differ
# People log in by username; a mistyped address must not keep them from a second factor.
MFA_ALLOW_UNVERIFIED_EMAIL = True
# Browsers know security keys on localhost without TLS.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not TLS_ONLY
USERSESSIONS_TRACK_ACTIVITY = False  # cases.accounts.middleware does, once in a while
INVITATION_DAYS = env.read_integer("INVITATION_DAYS", 7, minimum=1, maximum=90)
KNOX_TOKEN_MODEL = "cases.ApiToken"  # noqa: S105 - a model's name
# The library's migrations would make its own table all the same.
MIGRATION_MODULES = {"knox": None}
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = TLS_ONLY
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
if TLS_ONLY:
    # The prefix keeps other hosts of the same domain from setting one.
    SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_SECURE = TLS_ONLY
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = env.read_list("CSRF_TRUSTED_ORIGINS", [])
SECURE_SSL_REDIRECT = TLS_ONLY
# Probes ask within the network, behind the proxy that brings TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if TLS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = TLS_ONLY
SECURE_HSTS_PRELOAD = TLS_ONLY
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = header_settings.content_security_policy(tls_only=TLS_ONLY)
PERMISSIONS_POLICY = header_settings.PERMISSIONS_POLICY
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- e-mail -------------------------------------------------------------------------------------
# Without EMAIL_HOST messages become files (with DEBUG: lines of the console).
EMAIL_HOST = env.read_text("EMAIL_HOST", "localhost")
EMAIL_BACKEND = "django.core.mail.backends.{}.EmailBackend".format(
    "smtp" if EMAIL_HOST != "localhost" else "console" if DEBUG else "filebased"
)
EMAIL_FILE_PATH = str(DATA_DIR / "mail")
EMAIL_USE_TLS = env.read_flag("EMAIL_USE_TLS", True)
EMAIL_PORT = env.read_integer("EMAIL_PORT", 587, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.read_text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.read_text("EMAIL_HOST_PASSWORD", "")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.read_text("EMAIL_FROM", "pbcsite <noreply@localhost>")

# --- cache: what rate limits count --------------------------------------------------------------
CACHES: dict[str, Any] = {
    "default": (
        {"BACKEND": "pbcsite.cache.SharedCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "pbcsite"}
        if REDIS_URL.startswith(("redis://", "rediss://"))
        else {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 20_000},
        }
    )
}

# --- exports ------------------------------------------------------------------------------------
# Another key gives other pseudonyms in training folders; whoever has it can go back to the rows.
PSEUDONYM_KEY = env.read_text("PSEUDONYM_KEY", SECRET_KEY)

# --- audit trail --------------------------------------------------------------------------------
# The first signs, all are known when the trail is checked.
AUDIT_KEYS = env.read_list("AUDIT_KEYS", [SECRET_KEY, *SECRET_KEY_FALLBACKS])
AUDIT = True  # tests that count queries switch it off
AUDIT_MINUTES = 15  # seeing the same case again within this time is one entry

# --- languages ----------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("es", _("Spanish"))]
MODELTRANSLATION_DEFAULT_LANGUAGE = "en"
MODELTRANSLATION_FALLBACK_LANGUAGES = ("en", "es")
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE = TLS_ONLY
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = env.read_text("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

# --- the API ------------------------------------------------------------------------------------
REST_FRAMEWORK = api_settings.rest_framework(behind_proxy=BEHIND_PROXY)
REST_KNOX = {
    "TOKEN_TTL": timedelta(hours=env.read_integer("TOKEN_HOURS", 12, minimum=1)),
    "AUTH_HEADER_PREFIX": "Token",
    "AUTO_REFRESH": False,
}
SPECTACULAR_SETTINGS = api_settings.SPECTACULAR_SETTINGS

# --- running it ---------------------------------------------------------------------------------
LOGGING = logs.configuration(
    level=env.read_text("LOG_LEVEL", "INFO"),
    form=env.read_choice("LOG_FORMAT", "line", logs.FORMS),
)
# Whoever scrapes /metrics brings it; without one, only this machine may.
METRICS_TOKEN = env.read_secret("METRICS_TOKEN", shortest=16)
SENTRY_DSN = env.read_text("SENTRY_DSN", "")
if SENTRY_DSN:
    reports_of_errors.start(
        dsn=SENTRY_DSN,
        release=env.read_text("RELEASE", "pbcsite"),
        environment=env.read_text("SENTRY_ENVIRONMENT", "production"),
    )

for folder in (DATA_DIR, Path(FILE_UPLOAD_TEMP_DIR)):
    folder.mkdir(parents=True, exist_ok=True)
