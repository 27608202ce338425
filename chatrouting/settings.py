"""Django settings. Everything that differs between machines comes from the environment.

`DEBUG` is off unless the environment says otherwise; `make run` turns it on where neither `DEBUG`
nor `SECRET_KEY` is given.
"""

import os
from pathlib import Path

import dj_database_url
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from redis.backoff import NoBackoff
from redis.retry import Retry

from chatrouting.datafolder import database_url, development_key, made_folder, valkey_url
from chatrouting.tracebacks import formatted

BASE_DIR = Path(__file__).resolve().parent.parent

TRUE_WORDS = {"1", "true", "yes", "on"}
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def env_flag(name: str, *, default: bool) -> bool:
    value = os.environ.get(name, "")
    return value.strip().lower() in TRUE_WORDS if value.strip() else default


def env_list(name: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]


DEBUG = env_flag("DEBUG", default=False)
DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / ".data").resolve()

SECRET_KEY = os.environ.get("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
TRUSTED_PROXIES = env_list("TRUSTED_PROXIES")

if DEBUG:
    ALLOWED_HOSTS = ALLOWED_HOSTS or LOOPBACK
    SECRET_KEY = SECRET_KEY or development_key(DATA_DIR)
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set it to a long random text, or set DEBUG=1 to try the project out."
    )
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS is not set. Set it to this site's host names, with commas between them."
    )

INSTALLED_APPS = [
    "chatrouting.console",
    "unfold.apps.BasicAppConfig",
    "chatrouting.console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "routing_core",
    "chatrouting.stream",
    "chatrouting.threads",
    "chatrouting.agents",
    "chatrouting.chat",
    "chatrouting.connections",
    "chatrouting.serving",
    "chatrouting.testing",
]

MIDDLEWARE = [
    "chatrouting.connections.afterwards.tell_afterwards",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "chatrouting.console.probes.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "chatrouting.urls"
ASGI_APPLICATION = "chatrouting.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL") or database_url(made_folder(DATA_DIR)),
        conn_max_age=600,
        conn_health_checks=True,
        disable_server_side_cursors=True,  # a pooler between gives the next query another session
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["ENGINE"] = "chatrouting.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 15,  # seconds for a lock; sooner than a call is given up, so that it is known to have failed
        **DATABASES["default"].get("OPTIONS", {}),
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }

if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # A host that is gone answers nothing, and the kernel alone would wait for it for 15 minutes.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,  # seconds
        "tcp_user_timeout": 10_000,  # milliseconds, for what was sent to arrive
        "keepalives_idle": 10,  # seconds of silence, then the host is asked whether it is there
        "keepalives_interval": 3,  # seconds, and asked again
        "keepalives_count": 3,  # where the system knows no `tcp_user_timeout`, which ends it sooner
        **DATABASES["default"].get("OPTIONS", {}),
    }

REDIS_URL = os.environ.get("REDIS_URL") or valkey_url(DATA_DIR)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "chatrouting.stream.layer.ValkeyChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "chatrouting"},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
    "sign_in": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": [REDIS_URL],
        "KEY_PREFIX": "chatrouting:sign_in",
        "OPTIONS": {
            "serializer": "chatrouting.chat.attempts.Numbers",
            "socket_timeout": 1,  # seconds: somebody waits, and can be let in without it
            "socket_connect_timeout": 1,
            "retry": Retry(NoBackoff(), 0),
        },
    },
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "chatrouting.console.formats"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_ALLOW_ALL_ORIGINS = False
SERVESTATIC_MAX_AGE = 0  # seconds: modules have no hash in their names, so a browser always asks

METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")

UNFOLD = {
    "SITE_TITLE": "Chatrouting",
    "SITE_HEADER": "Chatrouting",
    "SITE_SUBHEADER": "Operator's console",
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("chat/icon.svg")}
    ],
    "SHOW_BACK_BUTTON": True,
    "STYLES": [lambda request: static("console/console.css")],
    "SCRIPTS": [lambda request: static("console/console.js")],
    "SIDEBAR": {"show_search": False, "navigation": "chatrouting.console.navigation.navigation"},
}

SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # probes come without TLS, from inside
SECURE_REFERRER_POLICY = "same-origin"
if not DEBUG:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 365 * 86400
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SECURE_SSL_REDIRECT = env_flag("SECURE_SSL_REDIRECT", default=True)
    if TRUSTED_PROXIES:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "class": "chatrouting.tracebacks.TracebackFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {
            "()": "structlog.stdlib.ProcessorFormatter",
            "foreign_pre_chain": [
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(formatted),
                structlog.processors.JSONRenderer(),
            ],
        },
    },
    "handlers": {
        "console": {
            "class": "chatrouting.loglines.LineATurn",
            "formatter": "plain" if DEBUG else "json",
        }
    },
    "loggers": {name: {"level": "WARNING"} for name in ("asyncio", "daphne", "httpx2", "uvicorn")},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO").upper()},
}

AGENT_MODEL = os.environ.get("AGENT_MODEL", "").strip()
OPENAI_BASE_URL = os.environ.get("OPENAI_BASE_URL", "").strip()
OPENAI_API_KEY = os.environ.get("OPENAI_API_KEY", "").strip()

CHATROUTING: dict[str, object] = {"ROUTER": "chatrouting.routing.router"}
if AGENT_MODEL:
    CHATROUTING |= {
        "MODEL": AGENT_MODEL,
        "AGENTS": (
            "chatrouting.agents.providers.assistant.Assistant",
            "chatrouting.agents.demo.DemoAgent",
        ),
        "DEFAULT_AGENT": "assistant",
    }
