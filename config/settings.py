"""Settings of every process: the environment first, then what the embedded services wrote."""

from urllib.parse import urlparse

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from config import env

BASE_DIR = env.BASE_DIR
VAR_DIR = env.VAR_DIR

# --- What this process is -------------------------------------------------------------------

DEMO = env.flag("DEMO")
DEBUG = env.flag("DEBUG")
# web and scoped connect as the app role, which row-level security binds; bulk as the owner role.
SLUICE_PROCESS = env.text("SLUICE_PROCESS", "web")
if SLUICE_PROCESS not in {"web", "scoped", "bulk"}:
    raise ImproperlyConfigured("SLUICE_PROCESS must be web, scoped or bulk.")

SECRET_KEY = env.secret("SECRET_KEY", demo=DEMO)
MASTER_KEY = env.secret("MASTER_KEY", demo=False)
# Keys that were the master key before: what they wrapped is still opened, and seals of the audit
# made under them are still checked.
FORMER_MASTER_KEYS = env.words("FORMER_MASTER_KEYS")
# What wraps the groups' keys: tenants.master_key.MasterKeyProvider.
MASTER_KEY_PROVIDER = env.text("MASTER_KEY_PROVIDER", "tenants.master_key.EnvironmentKey")
# For tenants.vault_key.VaultTransitKey alone.
VAULT_ADDR = env.text("VAULT_ADDR", "")
VAULT_TOKEN = env.text("VAULT_TOKEN", "")
VAULT_TRANSIT_KEY = env.text("VAULT_TRANSIT_KEY", "sluice")
# How often a person may reveal contact data, in an hour; programs are throttled by API_RATE.
REVEALS_PER_HOUR = env.number("REVEALS_PER_HOUR", 60)
# Whether a model looks for members who are probably one person (members.identity.likely), as an
# extra: requirements-likely.txt.
LIKELY_SUGGESTIONS = env.flag("LIKELY_SUGGESTIONS")
# An old data key of a group is deleted no sooner than this many seconds after the new one was
# made: a request or task that read the old one has ended by then.
KEY_GRACE_SECONDS = env.number("KEY_GRACE_SECONDS", 900)

# --- Applications ---------------------------------------------------------------------------

SHARED_APPS = [
    # Before django_tenants, whose admin templates would otherwise stand in front of these.
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django_tenants",
    "config",
    "tenants",
    "django.contrib.admin",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "rest_framework",
    "import_export",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_celery_beat",
]
TENANT_APPS = ["brands", "members", "campaigns"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = True
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tenants.middleware.HostMiddleware",
    "tenants.api.ApiMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tenants.middleware.GrantMiddleware",
    "tenants.middleware.SecondFactorMiddleware",
    "brands.wall.middleware.ScopeMiddleware",
]

ROOT_URLCONF = "config.urls_group"
PLATFORM_URLCONF = "config.urls_platform"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.page",
            ],
        },
    },
]

# --- Data -----------------------------------------------------------------------------------

# Whether the server keeps the plans of what web and scoped processes ask again and again: "direct"
# where they reach it without a pooler, "always" (PgBouncer 1.21 or later), "never". Bulk work sends
# large statements once, whose text has to hold their values.
PREPARE = env.text("PREPARE", "direct")
if PREPARE not in {"direct", "always", "never"}:
    raise ImproperlyConfigured("PREPARE must be direct, always or never.")
if SLUICE_PROCESS == "bulk":
    DATABASES = {"default": env.database("OWNER_DATABASE_URL")}
elif PREPARE == "never":
    DATABASES = {"default": env.database("DATABASE_URL")}
else:
    DATABASES = {
        "default": env.database("DATABASE_URL", server_side_binding=True, prepare_threshold=5)
    }
# A page reads few rows, and whole: a cursor of the server's, as choices in forms ask for one, takes
# three round trips for them, and its statement's plan is never kept.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = SLUICE_PROCESS == "web"
# The role that row-level security binds; a scope drops to it where the connection is another's.
APP_ROLE = env.text("APP_ROLE", urlparse(env.text("DATABASE_URL")).username or "sluice_app")
# A second role without log-in, a member of which the app role is: scopes that see whole brands
# only drop to it, and their queries are planned with that much of the wall. "" for none.
WHOLE_ROLE = env.text("WHOLE_ROLE", "")
# A third of the same sort that only reads: under it HQ looks as another role, and is shown what
# both may read. "" for none, and nobody looks.
LOOK_ROLE = env.text("LOOK_ROLE", "")
# "postgresql" or "citus": how policies are written (docs/decisions).
WALL_RENDERING = env.text("WALL_RENDERING", "postgresql")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_RUNNER = "django.test.runner.DiscoverRunner"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.text("CACHE_URL"),
        "TIMEOUT": 300,
    }
}

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = env.text("MEDIA_ROOT", str(VAR_DIR / "media"))
WHITENOISE_MANIFEST_STRICT = False
WHITENOISE_USE_FINDERS = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
# Schemas kept ready for groups to come.
SPARE_SCHEMAS = env.number("SPARE_SCHEMAS", 2)
# The largest file an import accepts, in bytes.
IMPORT_MAX_BYTES = env.number("IMPORT_MAX_BYTES", 4 * 2**30)
# How long an import can be taken back, and what its changed rows said before is kept.
IMPORT_UNDO_DAYS = env.number("IMPORT_UNDO_DAYS", 7)
# The most that one batch of the API may bring, unpacked.
INTAKE_LINES = env.number("INTAKE_LINES", 10_000)
INTAKE_BYTES = env.number("INTAKE_BYTES", 16 * 2**20)

# --- Jobs -----------------------------------------------------------------------------------

CELERY_BROKER_URL = env.text("BROKER_URL")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "bulk"
# Work inside a viewer's scope, for the processes that row-level security binds.
CELERY_TASK_ROUTES = {"members.*_export*": {"queue": "scoped"}}
CELERY_TASK_ALWAYS_EAGER = env.flag("CELERY_TASK_ALWAYS_EAGER")
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# A job that outlives this many seconds is handed to another worker; it resumes at its checkpoint.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 6 * 3600}

# --- People and access ----------------------------------------------------------------------

# host[:port] of the platform site; a group's host is its schema's name before the same domain.
PLATFORM_HOST = env.text("PLATFORM_HOST", "platform.localhost:8000")
GROUP_HOST_SUFFIX = env.text("GROUP_HOST_SUFFIX", ".localhost:8000")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ".localhost,127.0.0.1")

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "tenants.backends.GrantBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "tenants.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Sluice"
# HQ and service providers must hold a second factor; the demo's invented people need none.
REQUIRE_SECOND_FACTOR = env.flag("REQUIRE_SECOND_FACTOR", default=not DEMO)
# Shown on the demo's login page; nobody outside the demo.
DEMO_LOGINS = "config.demo.logins.LOGINS"
DEMO_PASSWORD = "config.demo.logins.PASSWORD"  # noqa: S105 - where it is, not what
# Invitations and password links; the demo prints them.
EMAIL_BACKEND = env.text(
    "EMAIL_BACKEND", f"django.core.mail.backends.{'console' if DEMO else 'smtp'}.EmailBackend"
)
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.number("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "sluice@localhost")

SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.views.csrf_failure"
HTTPS = env.flag("HTTPS", default=not DEMO)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY") else None
# Login throttling counts by the client's address, which a proxy appends to X-Forwarded-For.
ALLAUTH_TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXIES", 1 if env.flag("BEHIND_PROXY") else 0)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Unfold's Alpine evaluates attribute expressions; no inline script is ever allowed.
        "script-src": [SELF, UNSAFE_EVAL],
        # Unfold sets its colours in a style element and Chart.js sets style attributes.
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-ancestors": ["'none'"],
        # A press of "Enter" on the platform's host ends at a group's host.
        "form-action": [SELF, f"{'https' if HTTPS else 'http'}://*{GROUP_HOST_SUFFIX}"],
        "base-uri": [SELF],
        "object-src": ["'none'"],
    }
}

# --- Languages, money, time -----------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# --- Logs -----------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "config.logs.WithoutContact",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        # Without Django's own handlers: one mails requests with all they hold.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # Its lines are whole statements with their values.
        "django.db.backends": {"level": "WARNING"},
    },
}
DEFAULT_EXCEPTION_REPORTER = "config.logs.ErrorReport"

# --- Pages ----------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Sluice",
    "SITE_HEADER": "Sluice",
    "SITE_SYMBOL": "water_lock",
    "SITE_URL": "/",
    "SITE_SUBHEADER": "config.context.subheader",
    "ENVIRONMENT_TITLE_PREFIX": "config.context.title_prefix",
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    # ⌘K finds pages, never rows, and nothing of it is cached: tenants.sites.SluiceSite.search.
    "COMMAND": {"search_callback": "config.navigation.search", "show_history": False},
    "COLORS": {
        "primary": {
            "50": "oklch(97.1% .013 220)",
            "100": "oklch(94% .03 220)",
            "200": "oklch(89% .06 220)",
            "300": "oklch(81% .1 221)",
            "400": "oklch(71% .13 224)",
            "500": "oklch(62% .13 228)",
            "600": "oklch(53% .115 232)",
            "700": "oklch(45% .095 234)",
            "800": "oklch(39% .078 236)",
            "900": "oklch(34% .064 238)",
            "950": "oklch(25% .05 240)",
        },
    },
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "config.context.favicon"},
    ],
    "ACCOUNT": {
        "navigation": [
            {"title": _("Switch client"), "link": f"//{PLATFORM_HOST}/"},
            {"title": _("Second factor"), "link": reverse_lazy("mfa_index")},
            {"title": _("Change password"), "link": reverse_lazy("account_change_password")},
        ]
    },
    "STYLES": ["config.context.stylesheet"],
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "config.navigation.sidebar",
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.api.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.api.ActionPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.api.TokenThrottle"],
    "DEFAULT_THROTTLE_RATES": {"token": env.text("API_RATE", "600/min")},
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "tenants.problems.as_problem",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sluice",
    "DESCRIPTION": "Members of a group's brands, read and handed in through the wall.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_URLCONF": "config.urls_group",
    # Shapes are written by hand: an enumeration's name would be guessed.
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
IMPORT_EXPORT_USE_TRANSACTIONS = True
SILENCED_SYSTEM_CHECKS: list[str] = []
